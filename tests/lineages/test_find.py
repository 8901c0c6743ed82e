"""Names of lineages."""

import subprocess
import sys

import pytest

from alexnet.errors import UsageError
from alexnet.lineages import LINEAGES, find
from alexnet.lineages.spec import Norm, Pool


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no lineage 'cafenet'\. Did you mean 'caffenet'\?"):
        find("cafenet")


def test_caffenet_is_bvlc_with_pool_and_norm_swapped() -> None:
    order = {
        name: [row.name for row in find(name).layers if isinstance(row, Norm | Pool)] for name in ("bvlc", "caffenet")
    }
    assert order["bvlc"] == ["norm1", "pool1", "norm2", "pool2", "pool5"]
    assert order["caffenet"] == ["pool1", "norm1", "pool2", "norm2", "pool5"]


def test_every_name_is_once_in_a_table() -> None:
    for lineage in LINEAGES.values():
        names = [row.name for row in lineage.layers]
        assert len(names) == len(set(names)), lineage.name


def test_tables_load_without_torch_and_numpy() -> None:
    code = "import sys, alexnet.lineages; print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
