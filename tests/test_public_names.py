"""What `import alexnet` promises."""

import subprocess
import sys

import pytest

import alexnet


@pytest.mark.parametrize("name", alexnet.__all__)
def test_every_public_name_can_be_had_and_says_what_it_is(name: str) -> None:
    assert getattr(alexnet, name).__doc__


def test_import_is_light() -> None:
    code = "import sys, alexnet; print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'alexnot'"):
        _ = alexnet.alexnot
