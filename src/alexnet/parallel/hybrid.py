"""One weird trick: convolutions data parallel, fully connected layers model parallel, on any number of processes.

Convolutions have the work and few weights: each rank runs all of them on its share of the pictures, and their gradients
are summed. Fully connected layers have the weights and little work: each rank holds a part of their units, and gets the
features of all pictures. How these come is a matter of turns:

    a    all at once
    b    those of one rank after another's
    c    a part of every rank's, then the next part: each turn costs every rank the same

While a turn is at work the features of the next are under way. The gradients are those of one process in every case,
unless the fully connected layers move after each turn. Then these learn from small batches, and convolutions from the
large ones that keep many processes busy.

Source: Krizhevsky 2014, arXiv 1404.5997, sec. 4.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from alexnet.data.loader import share, share_of_batch
from alexnet.errors import UsageError
from alexnet.lineages.trace import fully_connected
from alexnet.model import AlexNet, set_dropout_slots
from alexnet.parallel.buckets import Reduction
from alexnet.parallel.exchange import gather_rows, sum_rows
from alexnet.parallel.pieces import parts
from alexnet.parallel.scheme import Loss, Scheme
from alexnet.parallel.shares import Stretches
from alexnet.parallel.team import Team

Turns = Literal["a", "b", "c"]
NO_LABEL = -100  # what cross_entropy passes over


class SplitNet(nn.Module):
    """A network with all of its convolutions and a part of its fully connected units.

    All ranks get the same pictures, (B, C, H, W), and answer the whole network's logits (B, K).
    """

    def __init__(self, net: AlexNet, team: Team) -> None:
        super().__init__()
        names = [name for name, _ in net.named_children()]
        linear = [layer.name for layer in fully_connected(net.lineage)]
        if len(linear) < 2:
            raise UsageError(
                f"lineage {net.lineage.name} has {len(linear)} fully connected layer, and --parallel hybrid is about "
                "these. Use --parallel ddp."
            )
        first = names.index(linear[0])
        self.trunk = nn.Sequential(*(net.get_submodule(name) for name in names[:first]))
        self.head = nn.Sequential()
        for name, layer in parts(net, names[first:], dict.fromkeys(linear[1:], "whole"), team):
            self.head.add_module(name, layer)
        self.train(net.training)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.trunk(images))
        return logits


class Hybrid(Scheme):
    """Convolutions data parallel, fully connected layers model parallel.

    Args:
        wire: what the gradients of convolutions travel as, None is as they are.
        turns: see above.
        moves_each_turn: move the fully connected layers after each turn, by its own mean gradient.
    """

    name = "hybrid"

    def __init__(
        self,
        net: AlexNet,
        team: Team,
        *,
        wire: torch.dtype | None = None,
        turns: Turns = "a",
        moves_each_turn: bool = False,
    ) -> None:
        split = SplitNet(net, team)
        split_parameters = dict(split.head.named_parameters())
        copied = {name: p for name, p in net.named_parameters() if name not in split_parameters}
        super().__init__(net, split, copied | split_parameters, team)
        self.split, self.turns, self.copied = split, turns, copied
        self.stretches = Stretches.by_rows(
            {name: p.shape for name, p in net.named_parameters() if name in split_parameters}, team.size
        )
        self.reduction = Reduction(copied, team, wire)
        self.reduction.hook()
        # A turn's batch is so many times smaller than the step's.
        self.moves = team.size if moves_each_turn and turns != "a" else 1
        self._move: Callable[[], None] = lambda: None
        self._slots: Tensor | None = None
        self._count = self._seed = 0

    def attach(self, move: Callable[[], None]) -> None:
        self._move = move

    def begin(self, slots: Tensor | None, count: int, seed: int) -> None:
        super().begin(slots, count, seed)
        self._slots, self._count, self._seed = slots, count, seed

    def gradients(self, inputs: Tensor, labels: Tensor, loss_of: Loss, batch_size: int) -> Tensor:
        for parameter in self.learners():
            parameter.grad = None
        with self.arithmetic():
            features = self.split.trunk(inputs)  # (B, F)
        grad, loss = self._through_head(features.detach(), labels, loss_of, batch_size)
        if len(inputs):
            features.backward(grad)
        for name, total in self.reduction.finish().items():
            self.copied[name].grad = total.to(self.copied[name].dtype)
        return loss if self.team.rank == 0 else loss.new_zeros(())  # all have the whole loss

    def _through_head(self, features: Tensor, labels: Tensor, loss_of: Loss, batch_size: int) -> tuple[Tensor, Tensor]:
        """The gradient of this rank's features (B, F), and the summed loss of all; those of units are left there."""
        rank, team = self.team.rank, self.team
        shares = [share_of_batch(self._count, other, team.size) for other in range(team.size)]
        rows, marks, mine = self._in_slots(features, labels, shares[rank])
        turns = list(turns_of(self.turns, [part.stop - part.start for part in shares]))
        under_way = [
            tuple(gather_rows(each[turn[rank]], _lengths(turn), team) for each in (rows, marks)) for turn in turns
        ]
        losses, coming = [], []
        for turn, (others, theirs) in zip(turns, under_way, strict=True):
            self._place(turn, shares)
            inputs = others().requires_grad_()
            with self.arithmetic():
                loss = _loss_of_labelled(loss_of, self.split.head(inputs), theirs())
            (self.moves * loss / batch_size).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            assert inputs.grad is not None
            coming.append(sum_rows(inputs.grad / self.moves, _lengths(turn), team))
            if self.moves > 1:
                self._move_head()
        grad = torch.cat([arrived() for arrived in coming])
        return grad[mine], torch.stack(losses).sum()

    def _move_head(self) -> None:
        """Move the units, the only ones that have a gradient by now."""
        self._move()
        for parameter in self.split.head.parameters():
            parameter.grad = None

    def _in_slots(self, features: Tensor, labels: Tensor, part: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Features and labels, a row for each slot of this rank, and which rows are pictures.

        One that could not be read is a row of zeros without a label: so all ranks know who has how many.
        """
        count = part.stop - part.start
        mine = torch.arange(len(features)) if self._slots is None else self._slots - part.start
        mine = mine.to(features.device)
        rows = features.new_zeros((count, features.shape[1])).index_copy(0, mine, features)
        marks = labels.new_full((count, *labels.shape[1:]), NO_LABEL).index_copy(0, mine, labels)
        return rows, marks, mine

    def _place(self, turn: Sequence[slice], shares: Sequence[slice]) -> None:
        """Give the pictures of a turn the masks of their slots."""
        assert self.generator is not None
        places = [
            torch.arange(part.start + rows.start, part.start + rows.stop)
            for part, rows in zip(shares, turn, strict=True)
        ]
        self.generator.manual_seed(self._seed)
        set_dropout_slots(self.split.head, torch.cat(places), self._count)


def _loss_of_labelled(loss_of: Loss, logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of the rows that have a label: a class, or shares of the classes."""
    if labels.ndim == 1:
        return loss_of(logits, labels)  # which passes over the others by itself
    is_known = labels[:, 0] >= 0
    return loss_of(logits[is_known], labels[is_known])


def turns_of(kind: Turns, counts: Sequence[int]) -> Iterable[list[slice]]:
    """What each rank's features contribute to each turn; a turn in which nobody has any is left out."""
    size = len(counts)
    match kind:
        case "a":
            turns = [[slice(0, count) for count in counts]]
        case "b":
            turns = [
                [slice(0, count if rank == turn else 0) for rank, count in enumerate(counts)] for turn in range(size)
            ]
        case "c":
            turns = [[share(count, turn, size) for count in counts] for turn in range(size)]
    return (turn for turn in turns if any(_lengths(turn)))


def _lengths(turn: Sequence[slice]) -> list[int]:
    return [rows.stop - rows.start for rows in turn]
