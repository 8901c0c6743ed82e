"""The kernels run on the GPU where there is one, and in Triton's interpreter on the CPU elsewhere."""

import os

import pytest
import torch

from alexnet.fast.cpu import matvec, norm_pool
from alexnet.fast.cpu.compiled import Compiled

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are first imported
    # numpy warns about what the interpreter does with lanes that a mask hides
    INTERPRETED = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
else:
    INTERPRETED = pytest.mark.filterwarnings("default")


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compiled(operator: Compiled, folders: pytest.TempPathFactory) -> Compiled:
    """The same, compiled; nobody's cache has a part in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALEXNET_HOME", str(folders.mktemp("home")))
        made = Compiled(operator.source)
        made.compile()
    assert made.function is not None, made.reason
    return made


@pytest.fixture(scope="session")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The compiled norm and pooling."""
    return compiled(norm_pool.OPERATOR, tmp_path_factory)


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The compiled product of a few pictures."""
    return compiled(matvec.OPERATOR, tmp_path_factory)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "fast" in item.path.parts:
            item.add_marker(INTERPRETED)
