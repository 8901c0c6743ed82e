"""Networks small enough to be written in every format in a test: both of Caffe's orders, and one smaller still."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.data.preprocess import Preprocessing
from alexnet.lineages import Lineage, find
from alexnet.lineages.spec import Conv, Dropout, Input, Linear, Norm, Pool, Solver
from alexnet.model import AlexNet
from alexnet.weights import Weights

WIDTHS = (16, 32, 48, 48, 32, 64, 64)  # those of tiny
CLASSES = 10
Arrays = dict[str, NDArray[np.float32]]


def _narrow(name: str, like: str, size: int = 67) -> Lineage:
    """bvlc or caffenet with the widths of tiny; a view of 99 leaves fc6 a map of 2x2, where the order of axes shows."""
    table, widths = find(like), iter(WIDTHS)
    rows: list[Any] = []
    for row in table.layers:
        if isinstance(row, Conv):
            rows.append(replace(row, out_channels=next(widths), std=0.05))
        elif isinstance(row, Linear):
            rows.append(replace(row, out_features=next(widths, CLASSES), std=0.05))
        else:
            rows.append(row)
    return replace(table, name=name, layers=tuple(rows), input=replace(table.input, size=size, resize=size + 13))


MICRO = Lineage(
    name="micro",
    title="A net of a few hundred weights",
    source="for tests that read thousands of files",
    input=Input(size=19, resize=23, mean="channel"),
    layers=(
        Conv("conv1", 4, kernel_size=3, stride=2),
        Norm("norm1", k=1),
        Pool("pool1"),
        Conv("conv2", 4, kernel_size=3, padding=1, groups=2),
        Pool("pool2"),
        Linear("fc6", 5),
        Dropout("drop6"),
        Linear("fc8", 3, active=False),
    ),
    solver=Solver(),
)


def more_lineages() -> dict[str, Lineage]:
    """What tests put among the lineages: others with the widths of tiny, and a smaller net still."""
    made = {
        "narrow-bvlc": _narrow("narrow-bvlc", "bvlc"),
        "narrow-caffenet": _narrow("narrow-caffenet", "caffenet"),
        "narrow-wide": _narrow("narrow-wide", "bvlc", size=99),
        "narrow-caffenet-wide": _narrow("narrow-caffenet-wide", "caffenet", size=99),
        "narrow-theano": _narrow("narrow-theano", "theano", size=99),
        "narrow-chm": _narrow("narrow-chm", "chm", size=64),  # hangs over the edge, as 224 does
        "narrow-owt": _narrow("narrow-owt", "owt", size=64),
        "narrow-torchvision": _narrow("narrow-torchvision", "torchvision", size=224),
    }
    return made | {"micro": MICRO}


def lively(lineage: str = "narrow-bvlc", seed: int = 0, **changes: Any) -> AlexNet:
    """A network in evaluation mode in which every layer matters, in whatever order they are."""
    generator = torch.Generator().manual_seed(seed)
    model = AlexNet(lineage, **changes).eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("weight"):
                tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
            else:
                tensor.normal_(0, 1, generator=generator)
    return model


def arrays_of(model: AlexNet) -> Arrays:
    """Its tensors as arrays of their own."""
    return {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}


def assert_same(found: Weights, model: AlexNet) -> None:
    """Bitwise the tensors of the model, and nothing else."""
    expected = model.state_dict()
    assert found.tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found.tensors[name].dtype == torch.float32
        assert found.tensors[name].is_contiguous()
        assert torch.equal(found.tensors[name], tensor), name


def weights_of(model: AlexNet, labels: tuple[str, ...] = (), **changes: Any) -> Weights:
    """The model as `Weights`, fed as its lineage is; `changes` to the preprocessing."""
    table = model.lineage.input
    values: dict[str, Any] = {
        "size": table.size, "order": table.order, "range": table.range, "mean": (122.0, 116.0, 104.0),
        "std": table.std, "resize": table.resize, "fit": table.fit,
    }  # fmt: skip
    preprocessing = Preprocessing(**(values | changes))
    tensors = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    return Weights(tensors, model.lineage, labels, preprocessing, {})


def logits_of(weights: Weights, images: torch.Tensor) -> NDArray[np.float32]:
    """What a network with these weights computes."""
    model = AlexNet(weights.lineage).eval()
    model.load_state_dict(weights.tensors)
    with torch.no_grad():
        return model(images).numpy()  # type: ignore[no-any-return]


def pictures(size: int = 67, count: int = 2, channels: int = 3) -> torch.Tensor:
    """Smooth blotches in -128..127, (B, C, S, S)."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand((count, channels, 9, 9), generator=generator) * 255 - 128
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
