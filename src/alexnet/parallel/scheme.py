"""What a training step asks of a way to share out its work; here the simplest: one process does all of it.

B pictures that this rank holds, K classes.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from alexnet.model import set_dropout_generator, set_dropout_slots
from alexnet.parallel.buckets import Reduction
from alexnet.parallel.shares import Stretches
from alexnet.parallel.team import ALONE, Team

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits, labels) -> the sum of their losses."""


class Scheme:
    """How the work of a step is shared out. The weights of the whole network are `net`'s, whoever moves which of them.

    Args:
        net: holds the weights.
        module: from the inputs of a stage to logits; layers of `net`.
        parameters: what is trained, by name.

    Attributes:
        parameters: what this rank's optimizer moves: whole parameters, or stretches of them.
        stretches: which these are.
        part: (rank, size) of this rank's share of every batch.
        has_whole_loss: each rank sees the loss of the whole batch.
        is_regular: every rank has all of its slots in every step, filled up with nothing.
    """

    name = "one process"
    is_low_precision = False
    has_whole_loss = False
    is_regular = False

    def __init__(
        self, net: nn.Module, module: nn.Module, parameters: Mapping[str, nn.Parameter], team: Team = ALONE
    ) -> None:
        self.net, self.module, self.team = net, module, team
        self.parameters = dict(parameters)
        self.stretches = Stretches({})
        self.part = (team.rank, team.size)
        self.generator: torch.Generator | None = None

    @classmethod
    def alone(cls, net: nn.Module) -> "Scheme":
        """One process that trains all of `net`."""
        return cls(net, net, dict(net.named_parameters()))

    def learners(self) -> Iterable[nn.Parameter]:
        """What autograd fills with gradients."""
        return self.parameters.values()

    def arithmetic(self) -> AbstractContextManager[object]:
        """What a forward pass runs in."""
        device = next(iter(self.learners())).device.type
        return torch.autocast(device, torch.bfloat16) if self.is_low_precision else nullcontext()

    def take_up(self) -> None:
        """Fetch from `net` what this rank holds apart from it."""

    def attach(self, move: Callable[[], None]) -> None:
        """Learn how to move the weights that have gradients, for schemes that do so within a step."""

    def begin(self, slots: Tensor | None, count: int, seed: int) -> None:
        """Begin a step.

        Args:
            slots: (B,) which places of the batch this rank's pictures have; None: all.
            count: places of the batch.
            seed: of the dropout masks, the same on every rank.
        """
        if self.generator is None:
            self.generator = torch.Generator(next(iter(self.learners())).device)
            set_dropout_generator(self.module, self.generator)
        self.generator.manual_seed(seed)
        set_dropout_slots(self.module, slots, count)

    def exchange(self) -> Reduction | None:
        """What adds up the gradients of a step that does not ask `gradients` for them."""
        return None

    def gradients(self, inputs: Tensor, labels: Tensor, loss_of: Loss, batch_size: int) -> Tensor:
        """Leave the gradient of the whole batch's loss / `batch_size` in `parameters`.

        Returns:
            The summed loss, (), detached; what it adds up to over the ranks is that of the whole batch.
        """
        for parameter in self.learners():
            parameter.grad = None
        with self.arithmetic():
            loss = loss_of(self.module(inputs), labels)
        (loss / batch_size).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def clip(self, limit: float) -> None:
        """Scale the gradient of the whole network down to a norm of `limit`."""
        if self.stretches.is_empty:
            nn.utils.clip_grad_norm_(self.parameters.values(), limit)
            return
        shared = [p.grad for name, p in self.parameters.items() if name in self.stretches and p.grad is not None]
        copied = [p.grad for name, p in self.parameters.items() if name not in self.stretches and p.grad is not None]
        like = next(iter(self.learners()))
        square = self.team.sum(_squares(shared, like)) + _squares(copied, like)
        factor = (limit / (square.sqrt() + 1e-6)).clamp(max=1.0)  # as torch's clip_grad_norm_
        for grad in (*shared, *copied):
            grad.mul_(factor)

    def spread(self) -> None:
        """After the update: give every rank the weights that its next pass needs."""

    def assemble(self) -> None:
        """Make the weights of `net` whole on every rank."""
        whole = {name: p.detach() for name, p in self.net.named_parameters() if name in self.stretches}
        self.stretches.join(whole, self.team)

    def own(self, whole: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """This rank's stretches of tensors that belong to parameters, in the shape of what the optimizer moves."""
        return {
            name: self.stretches.cut(name, whole[name], self.team.rank).reshape(parameter.shape)
            for name, parameter in self.parameters.items()
            if name in whole
        }

    def whole(self, mine: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors that belong to whole parameters, from each rank's stretches of them."""
        if self.stretches.is_empty or not self.team.largest(len(mine))[0]:
            return dict(mine)
        shapes = {name: p for name, p in self.net.named_parameters() if name in mine or name in self.stretches}
        tensors = {name: torch.zeros_like(p, requires_grad=False) for name, p in shapes.items()}
        for name, tensor in mine.items():
            piece = self.stretches.cut(name, tensors[name], self.team.rank)
            piece.copy_(tensor.reshape(piece.shape))
        self.stretches.join(tensors, self.team)
        return tensors


def _squares(grads: list[Tensor], like: Tensor) -> Tensor:
    norms = [torch.linalg.vector_norm(grad) ** 2 for grad in grads]
    return torch.stack(norms).sum() if norms else torch.zeros((), dtype=like.dtype, device=like.device)
