"""Layers of ours against onnxruntime, torch and loops."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from alexnet.model import Dropout, set_dropout_generator, set_dropout_slots
from alexnet.model.layers import LocallyConnected2d, LocalResponseNorm, SpatialResponseNorm
from oracles import naive_net
from oracles.lively import relative_error


def onnx_norm(images: np.ndarray, size: int, alpha: float, beta: float, bias: float) -> np.ndarray:
    node = onnx.helper.make_node("LRN", ["x"], ["y"], size=size, alpha=alpha, beta=beta, bias=bias)
    kind = onnx.TensorProto.FLOAT
    values = [onnx.helper.make_tensor_value_info(name, kind, images.shape) for name in ("x", "y")]
    graph = onnx.helper.make_graph([node], "norm", values[:1], values[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": images})[0])


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 17), size=st.sampled_from([1, 3, 5, 7]), k=st.sampled_from([1.0, 2.0]),
    alpha=st.sampled_from([1e-4, 5e-4, 1e-2]), beta=st.sampled_from([0.5, 0.75, 1.0]), seed=st.integers(0, 99),
)  # fmt: skip
def test_norm_equals_onnxruntime(channels: int, size: int, k: float, alpha: float, beta: float, seed: int) -> None:
    images = np.random.default_rng(seed).normal(0, 100, (2, channels, 3, 5)).astype(np.float32)
    found = LocalResponseNorm(size, alpha, beta, k)(torch.from_numpy(images))
    assert relative_error(found, onnx_norm(images, size, alpha, beta, k)) <= 1e-5


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_norm_equals_torch(dtype: torch.dtype) -> None:
    images = torch.randn(2, 9, 4, 4, dtype=torch.float64) * 100
    expected = nn.LocalResponseNorm(5, 1e-4, 0.75, 2)(images)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-2
    assert relative_error(LocalResponseNorm(5, 1e-4, 0.75, 2)(images.to(dtype)).double(), expected) <= tolerance


def test_norm_in_towers_is_two_norms() -> None:
    images = torch.randn(2, 12, 4, 4) * 100
    one = LocalResponseNorm(5, 1e-4, 0.75, 2)
    both = LocalResponseNorm(5, 1e-4, 0.75, 2, groups=2)(images)
    assert torch.equal(both, torch.cat([one(images[:, :6]), one(images[:, 6:])], dim=1))
    assert not torch.equal(both, one(images))


@pytest.mark.parametrize("norm", [LocalResponseNorm(5, 1e-4, 0.75, 2, groups=2), SpatialResponseNorm(3, 1e-3, 0.75)])
def test_norm_gradients(norm: nn.Module) -> None:
    images = (torch.randn(1, 6, 4, 4, dtype=torch.float64) * 100).requires_grad_()
    assert torch.autograd.gradcheck(norm, (images,))


@pytest.mark.parametrize("side", [1, 2, 7])
def test_spatial_norm_equals_a_loop(side: int) -> None:
    images = torch.randn(1, 3, side, side, dtype=torch.float64) * 100
    expected = naive_net.spatial_norm(images[0].numpy(), factor=1e-3 / 25)
    assert relative_error(SpatialResponseNorm(5, 1e-3, 0.75)(images)[0], expected) <= 1e-12


def test_locally_connected_with_equal_weights_is_a_convolution() -> None:
    layer, shared = LocallyConnected2d((3, 5, 6), 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
    with torch.no_grad():
        layer.weight.copy_(shared.weight.reshape(1, 4, 27).expand_as(layer.weight))
        layer.bias.copy_(shared.bias.expand_as(layer.bias))  # type: ignore[union-attr]
    images = torch.randn(2, 3, 5, 6)
    torch.testing.assert_close(layer(images), shared(images))


def test_dropout_keeps_the_mean_and_is_off_at_test() -> None:
    layer, ones = Dropout(0.5), torch.ones(400, 250)
    set_dropout_generator(layer, torch.Generator().manual_seed(0))
    dropped = layer(ones)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert abs(dropped.mean().item() - 1) < 0.02
    assert layer.eval()(ones) is ones


def test_dropout_masks_follow_the_generator_and_nothing_else() -> None:
    net = nn.Sequential(Dropout(0.5), nn.Linear(8, 8), Dropout(0.5))
    features = torch.randn(4, 8)

    def masked(seed: int) -> torch.Tensor:
        set_dropout_generator(net, torch.Generator().manual_seed(seed))
        torch.manual_seed(torch.seed())
        result: torch.Tensor = net(features)
        return result

    assert torch.equal(masked(3), masked(3))
    assert not torch.equal(masked(3), masked(4))


def test_parts_of_a_batch_get_the_masks_of_the_whole() -> None:
    features = torch.ones(10, 12)

    def masked(rows: torch.Tensor | None, units: slice | None = None) -> torch.Tensor:
        net = nn.Sequential(Dropout(0.5), nn.Identity(), Dropout(0.3))
        set_dropout_generator(net, torch.Generator().manual_seed(3))
        set_dropout_slots(net, rows, 10)
        mine = features if rows is None else features[rows]
        for layer in net.modules():
            if isinstance(layer, Dropout) and units is not None:
                layer.units, layer.width = units, 12
        result: torch.Tensor = net(mine if units is None else mine[:, units])
        return result

    whole, rows = masked(None), torch.tensor([2, 3, 7])
    assert torch.equal(masked(rows), whole[rows])
    assert torch.equal(masked(rows, slice(4, 9)), whole[rows][:, 4:9])
