"""Who has what: rows of a batch, kernels of a layer, stretches of a parameter."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from torch import Tensor

from alexnet.data.loader import share
from alexnet.parallel.team import Team

Stretch = tuple[int, int]
"""Begin and end within a flattened parameter."""


@dataclass(frozen=True)
class Stretches:
    """Which stretch of each parameter belongs to which rank; a name that is missing is whole on every rank."""

    of: Mapping[str, tuple[Stretch, ...]]

    @classmethod
    def by_rows(cls, shapes: Mapping[str, tuple[int, ...]], size: int) -> "Stretches":
        """Cut each parameter between its rows: kernels, units."""
        found = {}
        for name, shape in shapes.items():
            cuts = [share(shape[0], rank, size) for rank in range(size)]
            width = prod(shape[1:])
            found[name] = tuple((cut.start * width, cut.stop * width) for cut in cuts)
        return cls(found)

    def cut(self, name: str, whole: Tensor, rank: int) -> Tensor:
        """The rank's stretch of a parameter, flat; all of it where nothing was shared out."""
        flat = whole.view(-1)
        return flat[slice(*self.of[name][rank])] if name in self.of else flat

    def join(self, whole: Mapping[str, Tensor], team: Team) -> None:
        """Fill, in place and on every rank, all stretches of these tensors with what their owners have."""
        for name, tensor in whole.items():
            for owner, (begin, end) in enumerate(self.of.get(name, ())):
                if end > begin:
                    team.broadcast(tensor.view(-1)[begin:end], owner)
