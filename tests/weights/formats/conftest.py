from collections.abc import Iterator

import pytest

from alexnet.lineages import LINEAGES
from oracles.narrow_nets import more_lineages


@pytest.fixture(autouse=True)
def _lineages_of_the_tests() -> Iterator[None]:
    """Narrow nets stand among the lineages while a test runs."""
    added = more_lineages()
    LINEAGES.update(added)
    yield
    for name in added:
        del LINEAGES[name]
