"""Whole steps as CUDA graphs: one launch in place of a hundred.

What changes from step to step (pictures, labels, rate, seed) lies in buffers that a replay reads.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from alexnet.fast.branch import Branch, main_stream, weights_on
from alexnet.fast.loss import cross_entropy
from alexnet.fast.norm import Squares, share_left, share_of, squares
from alexnet.fast.optimizer import Update
from alexnet.fast.rewrite import FastNet, layout_of

WARM_UPS = 3
SMALL = 2**20  # numbers of a parameter
OWN_THREAD = "thread_local"  # others look after the processes' connections, which is none of a capture's business
log = logging.getLogger("alexnet")
T = TypeVar("T")


class Exchange(Protocol):
    """Adds up the gradients of several processes within a step. All of them make the same calls, step by step.

    Attributes:
        names: parameters whose gradients it adds up; of the others each process has its own part.
        elsewhere: others, whose gradients another process has too and counts in the norm.
    """

    @property
    def names(self) -> Collection[str]: ...

    @property
    def elsewhere(self) -> Collection[str]: ...

    def arrived(self, name: str, grad: Tensor) -> None:
        """Take the gradient of a parameter, in the middle of the backward pass."""
        ...

    def finish(self) -> Mapping[str, Tensor]:
        """The sums, by the parameter's name; who had no picture has not taken anything."""
        ...

    def total(self, number: Tensor) -> Tensor:
        """A number on the device, added up over the processes."""
        ...

    def agree(self, is_ready: bool) -> bool:
        """Whether all processes are ready."""
        ...

    def reset(self) -> None:
        """Forget what has arrived."""
        ...


class TrainStep:
    """One step of training: forward, loss, backward, update.

    Weights are `net`'s own and stay in float32; the step keeps their copies in low precision, so whoever changes a
    weight from outside calls `refresh`. A batch of another size than `batch_size` runs without a graph, and so does all
    that is not on a GPU.

    Args:
        net: in training mode.
        updates: how each parameter moves, by name; one that is missing stays as it is.
        batch_size: what the summed loss is divided by.
        clip: norm that a step's gradient is cut down to; 0: never cut.
        exchange: where the batch is shared with other processes.
        slots: of this process in a full batch; None: all of `batch_size`.
        is_overlapped: exchange gradients inside the captured step, while others are still computed; else between two
            captured parts.

    Attributes:
        velocities: by the parameter's name, float32.
    """

    def __init__(
        self,
        net: FastNet,
        updates: Mapping[str, Update],
        *,
        batch_size: int,
        label_smoothing: float = 0.0,
        clip: float = 0.0,
        exchange: Exchange | None = None,
        slots: Sequence[int] | None = None,
        is_overlapped: bool = True,
    ) -> None:
        self.net, self.batch_size, self.label_smoothing, self.clip = net, batch_size, label_smoothing, clip
        self.exchange, self.is_overlapped = exchange, is_overlapped
        self.slots = torch.tensor(slots if slots is not None else range(batch_size))
        self.parameters = {name: p for name, p in net.net.named_parameters() if name in updates}
        self.updates = dict(updates)
        self.velocities = {name: torch.zeros_like(parameter) for name, parameter in self.parameters.items()}
        device = next(iter(self.parameters.values())).device
        self.lr = torch.zeros(1, device=device)
        self._places = self.slots
        self.seed = torch.cat([torch.zeros(1, dtype=torch.int64), self.slots]).to(device)
        self._weights = {name: _leaf(p, net.dtype, name in updates) for name, p in net.net.named_parameters()}
        self._beside = Branch()
        self._hooks: list[RemovableHandle] = []
        if exchange is not None and is_overlapped:
            self._hooks = [
                _hooked(self._weights[name], name, exchange.arrived, self._beside) for name in exchange.names
            ]
        counted = () if exchange is None else {*exchange.names, *exchange.elsewhere}
        own = {name: p for name, p in self.parameters.items() if name not in counted}
        self._squares = Squares(own) if clip and own else None
        if self._squares is not None:
            for name in own:
                _hooked(self._weights[name], name, self._squares.arrived, self._beside)
        self._replay: Callable[[], Tensor] | None = None
        self._is_unrecordable = False
        self._images = self._labels = self.lr

    def __call__(self, images: Tensor, labels: Tensor, lr: float, seed: int, slots: Tensor | None = None) -> Tensor:
        """Move the weights, and return the sum of the losses, (); the next step writes over it.

        Args:
            images: (B, C, H, W), or the blocks of `cut_blocks`. The first become the step's buffer: whoever writes
                later batches into the same tensor saves a copy.
            labels: (B,) classes, or (B, K) shares of each class.
            seed: of the dropout masks.
            slots: (B,) int64 on the CPU, places of the images in the whole batch; None: those of a full batch.
        """
        if self._replay is None and self._may_capture(len(images)):
            self._capture(images, labels)
        self.lr.fill_(lr)
        seeds = self._seeds(seed, slots, len(images))
        if self._replay is None or images.shape != self._images.shape or labels.shape != self._labels.shape:
            return self._step(images, labels, seeds)
        if images is not self._images:
            self._images.copy_(images, non_blocking=True)
        self._labels.copy_(labels, non_blocking=True)
        return self.replay()

    def eager(self, images: Tensor, labels: Tensor, lr: float, seed: int, slots: Tensor | None = None) -> Tensor:
        """The same without a graph."""
        self.lr.fill_(lr)
        return self._step(images, labels, self._seeds(seed, slots, len(images)))

    def replay(self) -> Tensor:
        """Repeat the captured step on what lies in the buffers."""
        assert self._replay is not None, "the first call captures the step"
        loss = self._replay()
        # The kernels write past autograd's eyes; whoever keeps a copy of a weight looks at its version.
        torch.autograd.graph.increment_version(self.parameters.values())
        return loss

    def refresh(self) -> None:
        """Make the copies of the weights anew."""
        with torch.no_grad():
            for name, parameter in self.net.net.named_parameters():
                if parameter.ndim > 1:
                    self._weights[name].copy_(parameter)

    @property
    def _is_whole(self) -> bool:
        """Whether processes exchange nothing but gradients, of all parameters."""
        return self.exchange is None or len(self.exchange.names) == len(self.parameters)

    def _may_capture(self, count: int) -> bool:
        if not self.seed.is_cuda or self._is_unrecordable:
            return False
        is_full = count == len(self.slots)
        # The warm-up sums gradients too: all processes begin it together, or none.
        return is_full if self.exchange is None else self.exchange.agree(is_full)

    def _seeds(self, seed: int, slots: Tensor | None, count: int) -> Tensor:
        """The seed and the places of the images, for a full batch in the buffer that the captured step reads."""
        places = self.slots[:count] if slots is None else slots
        if count != len(self.slots):
            return torch.cat([torch.tensor([seed]), places]).to(self.seed.device)
        if not torch.equal(places, self._places):
            self.seed[1:].copy_(places)
            self._places = places
        self.seed[:1].fill_(seed)
        return self.seed

    def _gradients(self, images: Tensor, labels: Tensor, seeds: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The summed loss of these images, and its gradients; hooks bring each to the exchange as it comes."""
        if not len(images):  # the last batch of an epoch may be smaller than the team
            return self.lr.new_zeros(()), []
        logits = self.net.run(images, self._weights, seeds)
        losses, slopes = cross_entropy(logits.detach(), labels, self.label_smoothing, 1 / self.batch_size)
        with self._beside.aside():
            loss = losses.sum()
        # In this thread: autograd's own has no CUDA context before its first kernel, and cuBLAS warns of that.
        with torch.autograd.set_multithreading_enabled(False), weights_on(self._beside):
            grads = torch.autograd.grad(logits, [self._weights[name] for name in self.parameters], slopes)
        self._beside.join()
        return loss, list(grads)

    def _summed(self, grads: list[Tensor]) -> list[Tensor]:
        """The gradients of the whole batch."""
        if self.exchange is None:
            return grads
        if not self.is_overlapped and grads:
            for name, grad in reversed(list(zip(self.parameters, grads, strict=True))):
                if name in self.exchange.names:
                    self.exchange.arrived(name, grad)
        sums = self.exchange.finish()
        parts = dict(zip(self.parameters, grads, strict=True)) if grads else {}
        return [sums[name] if name in sums else parts[name] for name in self.parameters]

    def _share(self, grads: list[Tensor]) -> Tensor | None:
        """What is left of the gradient of the whole network."""
        if not self.clip:
            return None
        if self._squares is None:
            return share_left(grads, self.clip)
        parts, exchange = self._squares.finish(), self.exchange
        if exchange is None:
            return share_of(parts, self.clip)
        copied = [grad for name, grad in zip(self.parameters, grads, strict=True) if name in exchange.names]
        square = exchange.total(parts.sum())
        return share_of(square + squares(copied) if copied else square, self.clip)

    def _update(self, grads: list[Tensor]) -> None:
        share, branch = self._share(grads), Branch()
        named = dict(zip(self.parameters, grads, strict=True))
        small = {name for name, parameter in self.parameters.items() if parameter.numel() < SMALL}
        with branch.aside():  # they take the time of a launch each, which the large ones do not notice
            self._move({name: grad for name, grad in named.items() if name in small}, share)
        self._move({name: grad for name, grad in named.items() if name not in small}, share)
        branch.join()

    def _move(self, grads: Mapping[str, Tensor], share: Tensor | None) -> None:
        for name, grad in grads.items():
            parameter = self.parameters[name].detach()
            copy = self._weights[name].detach() if parameter.ndim > 1 else None
            self.updates[name].apply(parameter, self.velocities[name], grad, self.lr, copy, share)

    def _step(self, images: Tensor, labels: Tensor, seeds: Tensor) -> Tensor:
        loss, grads = self._gradients(images, labels, seeds)
        self._update(self._summed(grads))
        return loss

    def _capture(self, images: Tensor, labels: Tensor) -> None:
        """Record the step. The warm-up, at a rate of zero and from rest, moves no weight; velocities come back."""
        self._images, self._labels = images, labels.clone()
        kept = {name: velocity.clone() for name, velocity in self.velocities.items()}
        for velocity in self.velocities.values():
            velocity.zero_()
        if self.exchange is None:
            self._replay = self._recorded("global")
        elif not (self.is_overlapped and self._records_exchange(self.exchange)) and self._is_whole:
            self._replay = self._recorded_in_parts()
        for name, velocity in self.velocities.items():
            velocity.copy_(kept[name])

    def _records_exchange(self, exchange: Exchange) -> bool:
        """Record the step with its exchange; where that does not work for any process, all do without."""
        trouble = ""
        try:
            self._replay = self._recorded(OWN_THREAD)
        except RuntimeError as error:
            trouble = str(error).splitlines()[0]
        if exchange.agree(not trouble):
            return True
        does = "Gradients are exchanged after the captured step, not inside it." if self._is_whole else "No graph."
        log.warning("%s %s", does, trouble)
        for hook in self._hooks:
            hook.remove()
        exchange.reset()
        self.is_overlapped, self._replay, self._is_unrecordable = False, None, not self._is_whole
        return False

    def _recorded(self, mode: str) -> Callable[[], Tensor]:
        """The whole step as one graph; if there is an exchange, it is part of it."""
        graph, loss = capture(lambda: self._step(self._images, self._labels, self.seed), mode)

        def replay() -> Tensor:
            graph.replay()
            return loss

        return replay

    def _recorded_in_parts(self) -> Callable[[], Tensor]:
        """The step as two graphs, with the exchange between them."""
        backward, (loss, grads) = capture(lambda: self._gradients(self._images, self._labels, self.seed), OWN_THREAD)
        sums = self._summed(grads)
        update, _ = capture(lambda: self._update(sums), OWN_THREAD)

        def replay() -> Tensor:
            backward.replay()
            self._summed(grads)  # into the same memory
            update.replay()
            return loss

        return replay


class GraphedNet:
    """A network's answer for batches of one shape, as a graph. Later changes of the weights do not reach it."""

    def __init__(self, net: FastNet, images: Tensor) -> None:
        self._images = images.clone()
        with torch.inference_mode():
            self._graph, logits = capture(lambda: net(self._images))
        self._logits: Tensor = logits

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits; the next call writes over them."""
        self._images.copy_(images, non_blocking=True)
        return self.replay()

    def replay(self) -> Tensor:
        """Answer once more for the pictures in the buffer."""
        self._graph.replay()
        return self._logits


def capture(work: Callable[[], T], mode: str = "global") -> tuple[torch.cuda.CUDAGraph, T]:
    """Run `work` a few times on a side stream, then record it; return the graph and where its result will lie."""
    side = main_stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side), cudnn_searches():
        for _ in range(WARM_UPS):
            work()
        torch.cuda.current_stream().synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=side, capture_error_mode=mode):
            result = work()
    torch.cuda.current_stream().wait_stream(side)
    return graph, result


def cudnn_searches() -> AbstractContextManager[None]:
    """Let cuDNN look for its fastest kernels, in the precision that it is allowed outside, too."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=True, allow_tf32=torch.backends.cudnn.allow_tf32
    )
    return flags


def _hooked(leaf: Tensor, name: str, arrived: Callable[[str, Tensor], None], beside: Branch) -> RemovableHandle:
    """Let `arrived` take a weight's gradient as it comes, beside the rest of the backward pass.

    The hook must not know the step that owns the leaf: NCCL's processes part only once the last graph with a message
    is gone, and a circle of references would keep it.
    """

    def take(grad: Tensor) -> None:
        with beside.aside():
            arrived(name, grad)

    handle: RemovableHandle = leaf.register_hook(take)  # type: ignore[no-untyped-call]
    return handle


def _leaf(parameter: Tensor, dtype: torch.dtype, is_trained: bool) -> Tensor:
    weight = parameter.detach()
    if parameter.ndim > 1:
        weight = weight.to(dtype, copy=True, memory_format=layout_of(parameter))
    return weight.requires_grad_(is_trained)
