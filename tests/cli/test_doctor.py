"""`alexnet doctor`."""

import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alexnet.cli.doctor import EXTRAS

Alexnet = Callable[..., Any]


def test_json_tells_versions_devices_disk_caches_and_extras(alexnet: Alexnet, tmp_path: Path) -> None:
    facts = alexnet("doctor", "--json", env={"ALEXNET_HOME": str(tmp_path)}).document

    assert facts["python"] == sys.version.split()[0]
    assert facts["devices"][-1]["device"] == "cpu"
    assert facts["disk"][0]["free_bytes"] > 0
    assert facts["caches"][0] == {
        "variable": "ALEXNET_HOME", "is_set": True, "folder": str(tmp_path), "exists": True,
    }  # fmt: skip


def test_a_missing_extra_comes_with_the_line_that_installs_it(alexnet: Alexnet) -> None:
    text = alexnet("doctor").out
    for extra, modules in EXTRAS.items():
        missing = any(find_spec(module) is None for module in modules)

        assert (f"pip install 'alexnet[{extra}]'" in text) == missing


def test_the_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert set(EXTRAS) == set(project["optional-dependencies"])
