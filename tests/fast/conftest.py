"""The kernels run on the GPU where there is one, and in Triton's interpreter on the CPU elsewhere."""

import os

import pytest
import torch

from alexnet.fast.cpu.compiled import Compiled
from alexnet.fast.cpu.norm_pool import OPERATOR

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are first imported
    # numpy warns about what the interpreter does with lanes that a mask hides
    INTERPRETED = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
else:
    INTERPRETED = pytest.mark.filterwarnings("default")


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(scope="session")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The compiled norm and pooling; nobody's cache has a part in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALEXNET_HOME", str(tmp_path_factory.mktemp("home")))
        made = Compiled(OPERATOR.source)
        made.compile()
    assert made.function is not None, made.reason
    return made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "fast" in item.path.parts:
            item.add_marker(INTERPRETED)
