"""What each AlexNet is: tables, without torch."""

from difflib import get_close_matches

from alexnet.errors import UsageError
from alexnet.lineages.bvlc import BVLC
from alexnet.lineages.caffenet import CAFFENET
from alexnet.lineages.chm import CHM, CHM_HALF
from alexnet.lineages.cifar import CIFAR_LOCAL, CIFAR_QUICK
from alexnet.lineages.owt import OWT
from alexnet.lineages.paper import PAPER
from alexnet.lineages.spec import Input, Lineage, Solver
from alexnet.lineages.theano import THEANO
from alexnet.lineages.tiny import TINY
from alexnet.lineages.torchvision import TORCHVISION
from alexnet.lineages.trace import Row, Totals, out_size, totals, trace, weighted
from alexnet.lineages.ungrouped import UNGROUPED
from alexnet.lineages.vary import vary

__all__ = [
    "LINEAGES", "Input", "Lineage", "Row", "Solver", "Totals", "find", "out_size", "totals", "trace", "vary",
    "weighted",
]  # fmt: skip

LINEAGES: dict[str, Lineage] = {
    lineage.name: lineage
    for lineage in (
        PAPER, CHM, CHM_HALF, BVLC, CAFFENET, THEANO, OWT, TORCHVISION, UNGROUPED, CIFAR_LOCAL, CIFAR_QUICK, TINY,
    )
}  # fmt: skip


def find(name: str) -> Lineage:
    """Return the lineage called `name`.

    Raises:
        UsageError: no such lineage; names the nearest and lists all.
    """
    if name in LINEAGES:
        return LINEAGES[name]
    near = get_close_matches(name, LINEAGES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"there is no lineage {name!r}.{hint} Known: {', '.join(LINEAGES)}.")
