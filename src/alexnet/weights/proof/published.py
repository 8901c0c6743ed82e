"""The network of a file that holds weights alone, as its publisher's own description has it.

Of Caffe's two nets, which such files are converted from, the order and the constants are said here once more, so that
a mistake in our tables shows.
"""

from collections.abc import Iterator, Mapping

from alexnet.lineages import Lineage, find, vary
from alexnet.lineages.spec import Conv, Layer, Norm, Pool
from alexnet.weights.raw import Fact

# Source: the deploy files there; local_size 5, alpha 0.0001, beta 0.75, k left at 1.
POOLS_FIRST = {"models/bvlc_alexnet": False, "models/bvlc_reference_caffenet": True}


def rows_of(facts: Mapping[str, Fact]) -> tuple[Layer, ...]:
    """The layers of the lineage that a file is said to be of."""
    lineage = vary(find(facts["lineage"].value), **facts["changes"].value)
    for place, pools_first in POOLS_FIRST.items():
        if place in lineage.source and not {"norm", "overlap"} & dict(lineage.changes).keys():
            return tuple(_as_in_caffe(lineage, pools_first))
    return lineage.layers


def _as_in_caffe(lineage: Lineage, pools_first: bool) -> Iterator[Layer]:
    """The rows, those between the first three convolutions written anew."""
    convolutions = 0
    for row in lineage.layers:
        convolutions += isinstance(row, Conv)
        if isinstance(row, Norm | Pool) and convolutions < 3:
            continue
        yield row
        if isinstance(row, Conv) and convolutions < 3:
            stage = (
                Norm(f"norm{convolutions}", size=5, k=1.0, alpha=1e-4, beta=0.75),
                Pool(f"pool{convolutions}", kernel_size=3, stride=2),
            )
            yield from reversed(stage) if pools_first else stage
