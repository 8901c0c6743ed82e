"""The built network against engines that share no code with it."""

import numpy as np
import pytest
import torch
from torch import nn

from alexnet.errors import UsageError
from alexnet.lineages import LINEAGES, totals, trace, vary
from alexnet.model import AlexNet, build
from alexnet.model.layers import LocalResponseNorm, SpatialResponseNorm
from oracles import naive_net
from oracles.caffe_net import opencv_logits
from oracles.lively import blotches, lively_net, relative_error


def arrays(net: nn.Module) -> naive_net.Params:
    state = {name: tensor.double().numpy() for name, tensor in net.state_dict().items()}
    names = {name.rsplit(".", 1)[0] for name in state}
    return {name: (state[f"{name}.weight"], state[f"{name}.bias"]) for name in names}


def logits(net: AlexNet, images: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return np.asarray(net(images))


@pytest.mark.parametrize("lineage", LINEAGES)
def test_every_lineage_computes_what_its_specification_says(lineage: str) -> None:
    net = lively_net(lineage)
    images = blotches(net.lineage.input.size)
    expected = naive_net.NETS[lineage](images[0].double().numpy(), arrays(net))
    assert relative_error(logits(net, images)[0], expected) <= 1e-5


@pytest.mark.parametrize(("lineage", "pool_first"), [("bvlc", False), ("caffenet", True)])
def test_caffe_lineages_agree_with_opencv_and_the_swapped_order_does_not(lineage: str, pool_first: bool) -> None:
    net = lively_net(lineage)
    images = blotches(227)
    found = logits(net, images)
    assert relative_error(found, opencv_logits(net, images, pool_first)) <= 1e-5
    assert relative_error(found, opencv_logits(net, images, not pool_first)) > 1e-2


@pytest.mark.parametrize(("k", "factor"), [(1, 1e-4), (2, 2e-5)], ids=["undivided alpha", "wrong k"])
def test_wrong_norm_constants_show(k: float, factor: float) -> None:
    net = lively_net("bvlc")
    images = blotches(227)
    wrong = naive_net.bvlc(images[0].double().numpy(), arrays(net), k, factor)
    assert relative_error(logits(net, images)[0], wrong) > 1e-2


def test_norms_that_cross_the_towers_show() -> None:
    net = lively_net("chm")
    images = blotches(224)
    assert isinstance(net.norm1, LocalResponseNorm)
    inside = logits(net, images)
    net.norm1.groups = 1
    assert relative_error(logits(net, images), inside) > 1e-4


@pytest.mark.parametrize("lineage", LINEAGES)
def test_the_table_counts_what_the_network_holds(lineage: str) -> None:
    net = build(LINEAGES[lineage])
    assert sum(parameter.numel() for parameter in net.parameters()) == totals(trace(net.lineage)).params


@pytest.mark.parametrize("lineage", LINEAGES)
def test_the_table_predicts_every_shape(lineage: str) -> None:
    net = lively_net(lineage)
    images = torch.zeros(1, 3, net.lineage.input.size, net.lineage.input.size)
    for row in trace(net.lineage):
        with torch.inference_mode():
            assert tuple(net.part(upto=row.layer.name)(images).shape[1:]) == row.out_shape, row.layer.name


@pytest.mark.parametrize(("size", "side"), [(224, 55), (225, 55), (227, 55), (228, 56)])
def test_a_ceil_convolution_reads_zeros_beyond_the_right_and_bottom_edge(size: int, side: int) -> None:
    net = lively_net("chm")
    images = blotches(size)
    padded = nn.functional.pad(images, (0, (side - 1) * 4 + 11 - size) * 2)
    weight, bias = net.get_parameter("conv1.weight"), net.get_parameter("conv1.bias")
    expected = nn.functional.conv2d(padded, weight, bias, stride=4)
    found = net.part(upto="conv1")(images)
    assert found.shape[2:] == (side, side)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def test_caffe_lineages_run_at_224_as_caffe_does() -> None:
    net = build(LINEAGES["bvlc"])
    sides = [row.out_shape[1] for row in trace(net.lineage, size=224) if len(row.out_shape) == 3]
    assert sides[:3] == [54, 54, 27]
    assert net(torch.zeros(1, 3, 224, 224, device="meta")).shape == (1, 1000)


@pytest.mark.parametrize("lineage", ["paper", "chm", "torchvision", "cifar-local", "tiny"])
@pytest.mark.parametrize(
    "switches",
    [
        {"activation": "tanh"}, {"activation": "sigmoid"}, {"norm": False}, {"overlap": False}, {"dropout": False},
        {"groups": False}, {"in_channels": 1}, {"num_classes": 7},
    ],
    ids=str,
)  # fmt: skip
def test_each_switch_gives_a_network_that_runs(lineage: str, switches: dict[str, object]) -> None:
    net = build(vary(LINEAGES[lineage], **switches))  # type: ignore[arg-type]
    size, classes = net.lineage.input.size, switches.get("num_classes", LINEAGES[lineage].num_classes)
    assert net(torch.zeros(2, net.lineage.in_channels, size, size, device="meta")).shape == (2, classes)
    assert dict(net.lineage.changes) == switches


def test_switched_off_parts_are_gone_and_the_rest_stays() -> None:
    kinds = (LocalResponseNorm, SpatialResponseNorm)
    assert any(isinstance(layer, kinds) for layer in AlexNet("tiny"))
    assert not any(isinstance(layer, kinds) for layer in AlexNet("tiny", norm=False))
    fans = [AlexNet("tiny", groups=groups).get_parameter("conv2.weight").shape[1] for groups in (True, False)]
    assert fans == [8, 16]
    assert AlexNet("tiny", activation="tanh").tap("conv1") == "tanh1"


def test_pooling_without_overlap_keeps_the_sizes_of_the_maps() -> None:
    with_overlap, without = trace(LINEAGES["paper"]), trace(vary(LINEAGES["paper"], overlap=False))
    assert [row.out_shape for row in with_overlap] == [row.out_shape for row in without]


def test_a_varied_table_builds_the_same_network_again() -> None:
    varied = AlexNet("tiny", num_classes=3, activation="tanh", norm=False).lineage
    assert AlexNet(varied).lineage == varied


def test_no_layer_changes_its_input() -> None:
    net = lively_net("tiny").train()
    images = blotches(67)
    for layer in net:
        before = images.clone()
        after = layer(images)
        assert torch.equal(images, before), layer
        images = after.detach()


def test_parts_share_weights_and_keep_names() -> None:
    net = AlexNet("tiny").eval()
    trunk, head = net.part(upto="fc7"), net.part(after="fc7")
    assert list(head.state_dict()) == ["fc8.weight", "fc8.bias"]
    assert next(iter(head.parameters())).data_ptr() in {parameter.data_ptr() for parameter in net.parameters()}
    images = blotches(67)
    assert torch.equal(head(trunk(images)), net(images))


def test_a_slice_is_a_plain_sequence() -> None:
    net = AlexNet("tiny")
    assert [name for name, _ in net[:3].named_children()] == ["conv1", "relu1", "norm1"]
    assert net[0] is net.conv1


def test_an_unknown_layer_is_answered_with_the_names() -> None:
    with pytest.raises(UsageError, match=r"no layer 'fc9'.*conv1.*fc8"):
        AlexNet("tiny").tap("fc9")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"num_classes": 0}, "num_classes is 0"),
        ({"in_channels": 4}, "in_channels is 4"),
        ({"activation": "gelu"}, "gelu"),
    ],
)
def test_impossible_switches_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        AlexNet("tiny", **wrong)  # type: ignore[arg-type]


def test_a_window_larger_than_its_map_is_refused() -> None:
    with pytest.raises(UsageError, match="window of 11 does not fit into a map of 8"):
        trace(LINEAGES["paper"], size=8)
