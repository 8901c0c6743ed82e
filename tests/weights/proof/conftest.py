import pytest

from alexnet.lineages import LINEAGES
from oracles.narrow_nets import more_lineages


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, lineage in more_lineages().items():
        monkeypatch.setitem(LINEAGES, name, lineage)
