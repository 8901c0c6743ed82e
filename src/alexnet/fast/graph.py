"""Whole steps as CUDA graphs: one launch in place of a hundred.

What changes from step to step (pictures, labels, rate, seed) lies in buffers that a replay reads.
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.fast.optimizer import Update, share_left
from alexnet.fast.rewrite import FastNet

WARM_UPS = 3


class TrainStep:
    """One step of training: forward, loss, backward, update.

    Weights are `net`'s own and stay in float32; the step keeps their copies in low precision, so whoever changes a
    weight from outside calls `refresh`. A batch of another size than `batch_size` runs without a graph.

    Args:
        net: in training mode.
        updates: how each parameter moves, by name; one that is missing stays as it is.
        batch_size: what the summed loss is divided by.
        clip: norm that a step's gradient is cut down to; 0: never cut.

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
    ) -> None:
        self.net, self.batch_size, self.label_smoothing, self.clip = net, batch_size, label_smoothing, clip
        self.parameters = {name: p for name, p in net.net.named_parameters() if name in updates}
        self.updates = dict(updates)
        self.velocities = {name: torch.zeros_like(parameter) for name, parameter in self.parameters.items()}
        device = next(iter(self.parameters.values())).device
        self.lr = torch.zeros(1, device=device)
        self.seed = torch.zeros(1, dtype=torch.int64, device=device)
        self._weights = {name: _leaf(p, net.dtype, name in updates) for name, p in net.net.named_parameters()}
        self._graph: torch.cuda.CUDAGraph | None = None
        self._images = self._labels = self._loss = self.lr

    def __call__(self, images: Tensor, labels: Tensor, lr: float, seed: int) -> Tensor:
        """Move the weights, and return the sum of the losses, (); the next step writes over it.

        Args:
            images: (B, C, H, W), or the blocks of `cut_blocks`. The first become the step's buffer: whoever writes
                later batches into the same tensor saves a copy.
            labels: (B,) classes, or (B, K) shares of each class.
            seed: of the dropout masks.
        """
        if self._graph is None and len(images) == self.batch_size:
            self._capture(images, labels)
        self.lr.fill_(lr)
        self.seed.fill_(seed)
        if self._graph is None or images.shape != self._images.shape or labels.shape != self._labels.shape:
            return self._step(images, labels)
        if images is not self._images:
            self._images.copy_(images, non_blocking=True)
        self._labels.copy_(labels, non_blocking=True)
        return self.replay()

    def replay(self) -> Tensor:
        """Repeat the captured step on what lies in the buffers."""
        assert self._graph is not None, "the first call captures the step"
        self._graph.replay()
        # The kernels write past autograd's eyes; whoever keeps a copy of a weight looks at its version.
        torch.autograd.graph.increment_version(self.parameters.values())
        return self._loss

    def refresh(self) -> None:
        """Make the copies of the weights anew."""
        with torch.no_grad():
            for name, parameter in self.net.net.named_parameters():
                if parameter.ndim > 1:
                    self._weights[name].copy_(parameter)

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        logits = self.net.run(images, self._weights, self.seed)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing, reduction="sum")
        leaves = [self._weights[name] for name in self.parameters]
        grads = torch.autograd.grad(loss / self.batch_size, leaves)
        share = share_left(grads, self.clip) if self.clip else None
        for (name, parameter), grad in zip(self.parameters.items(), grads, strict=True):
            copy = self._weights[name].detach() if parameter.ndim > 1 else None
            self.updates[name].apply(parameter.detach(), self.velocities[name], grad, self.lr, copy, share)
        return loss.detach()

    def _capture(self, images: Tensor, labels: Tensor) -> None:
        """Record the step. The warm-up, at a rate of zero and from rest, moves no weight; velocities come back."""
        self._images, self._labels = images, labels.clone()
        kept = {name: velocity.clone() for name, velocity in self.velocities.items()}
        for velocity in self.velocities.values():
            velocity.zero_()
        self._graph, self._loss = capture(lambda: self._step(self._images, self._labels))
        for name, velocity in self.velocities.items():
            velocity.copy_(kept[name])


class GraphedNet:
    """A network's answer for batches of one shape, as a graph. Later changes of the weights do not reach it."""

    def __init__(self, net: FastNet, images: Tensor) -> None:
        self._images = images.clone()
        with torch.inference_mode():
            self._graph, self._logits = capture(lambda: net(self._images))

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits; the next call writes over them."""
        self._images.copy_(images, non_blocking=True)
        return self.replay()

    def replay(self) -> Tensor:
        """Answer once more for the pictures in the buffer."""
        self._graph.replay()
        return self._logits


def capture(work: Callable[[], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    """Run `work` a few times on a side stream, then record it; return the graph and where its result will lie."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side), torch.backends.cudnn.flags(enabled=True, benchmark=True):
        for _ in range(WARM_UPS):
            work()
        torch.cuda.current_stream().synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=side):
            result = work()
    torch.cuda.current_stream().wait_stream(side)
    return graph, result


def _leaf(parameter: Tensor, dtype: torch.dtype, is_trained: bool) -> Tensor:
    weight = parameter.detach()
    return (weight.to(dtype, copy=True) if parameter.ndim > 1 else weight).requires_grad_(is_trained)
