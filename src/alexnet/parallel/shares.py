"""Who has what: rows of a batch, kernels of a layer, stretches of a parameter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from torch import Tensor

from alexnet.data.loader import share
from alexnet.parallel.team import Team

Stretch = tuple[int, int]
"""Begin and end within a flattened parameter."""


@dataclass(frozen=True)
class Stretches:
    """Which stretch of each parameter belongs to which rank; a name that is missing is whole on every rank.

    Attributes:
        of: stretches of the flattened parameter.
        columns: of a matrix that is cut along its second axis.
    """

    of: Mapping[str, tuple[Stretch, ...]]
    columns: Mapping[str, tuple[Stretch, ...]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.of or name in self.columns

    @property
    def is_empty(self) -> bool:
        return not self.of and not self.columns

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
        """The rank's stretch of a parameter, flat or as columns; all of it where nothing was shared out."""
        if name in self.columns:
            return whole[:, slice(*self.columns[name][rank])]
        flat = whole.view(-1)
        return flat[slice(*self.of[name][rank])] if name in self.of else flat

    def join(self, whole: Mapping[str, Tensor], team: Team) -> None:
        """Fill, in place and on every rank, all stretches of these tensors with what their owners have."""
        for name in (name for name in whole if name in self):
            for owner in range(team.size):
                piece = self.cut(name, whole[name], owner)
                if piece.numel():
                    piece.copy_(team.broadcast(piece.contiguous(), owner))
