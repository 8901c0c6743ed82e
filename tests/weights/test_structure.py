from dataclasses import replace

import numpy as np
import pytest

from alexnet.lineages import LINEAGES, Lineage, find, vary
from alexnet.lineages.spec import Activation, Conv, Layer, Norm, Pool
from alexnet.model import build
from alexnet.weights.raw import Axes, RawLayer
from alexnet.weights.structure import carried, difference, expected_layers, fits, fitting, misfit, skeleton

AXES: dict[int, Axes] = {2: "OI", 3: "POI", 4: "OIHW"}


def layers_of(lineage: str | Lineage) -> tuple[RawLayer, ...]:
    """A file's layers of the right shapes, without memory."""
    expected = expected_layers(find(lineage) if isinstance(lineage, str) else lineage)
    zero = np.float32(0)
    return tuple(RawLayer(name, np.broadcast_to(zero, shape), AXES[len(shape)]) for name, shape, _ in expected)


@pytest.mark.parametrize("name", LINEAGES)
def test_expected_shapes_are_those_of_the_network(name: str) -> None:
    state = build(find(name)).state_dict()
    for layer in expected_layers(find(name)):
        assert tuple(state[f"{layer.name}.weight"].shape) == layer.weight
        assert tuple(state[f"{layer.name}.bias"].shape) == layer.bias
    assert len(state) == 2 * len(expected_layers(find(name)))


@pytest.mark.parametrize("name", LINEAGES)
def test_a_file_that_carries_a_lineage_is_that_lineage_and_no_other(name: str) -> None:
    lineage = find(name)
    assert carried(layers_of(name), lineage.layers, lineage.activation) == [lineage]


def test_heads_of_any_width_belong_to_the_same_lineage() -> None:
    places = vary(find("caffenet"), num_classes=205)
    assert carried(layers_of(places), find("caffenet").layers, "relu") == [places]


def test_networks_with_something_switched_off_are_found_with_it_switched_off() -> None:
    varied = [vary(find("tiny"), norm=False), vary(find("tiny"), groups=False), vary(find("tiny"), activation="tanh")]
    for lineage in varied:
        assert lineage in carried(layers_of(lineage), lineage.layers, lineage.activation)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("bvlc", {"paper", "chm", "bvlc", "caffenet", "theano"}),
        ("torchvision", {"torchvision", "owt"}),
        ("ungrouped", {"ungrouped"}),
        ("cifar-local", {"cifar-local"}),
    ],
)
def test_shapes_alone_tell_families(name: str, others: set[str]) -> None:
    assert {lineage.name for lineage in fitting(layers_of(name))} == others


def test_trap_7_grouped_weights_are_not_those_of_the_ungrouped_net() -> None:
    assert not fits(layers_of("bvlc"), find("ungrouped"))
    assert "'conv2' has weights of shape (256, 48, 5, 5)" in misfit(layers_of("bvlc"), find("ungrouped"))


def test_the_difference_between_caffes_two_is_the_order() -> None:
    assert difference(find("bvlc").layers, find("caffenet")) == (
        "behind a 11x11 convolution (stride 4, padding 0) the file has LRN (size 5, k 1, alpha 0.0001, beta 0.75), "
        "caffenet has max pooling (3x3, stride 2)"
    )
    assert difference(find("bvlc").layers, find("bvlc")) == ""


def test_trap_4_norms_inside_towers_differ_from_norms_over_all() -> None:
    assert "in 2 towers" in difference(find("chm").layers, find("owt"))


def test_trap_5_an_activation_behind_a_maximum_is_one_before_it_and_behind_a_norm_is_not() -> None:
    conv, pool = Conv("conv5", 8, 3, active=False), Pool("pool5")
    assert skeleton([conv, pool, Activation("relu5")]) == skeleton([replace(conv, active=True), pool])
    behind: list[Layer] = [conv, Norm("norm1"), Activation("relu1")]
    assert skeleton(behind) != skeleton([replace(conv, active=True), Norm("norm1")])
    average = Pool("pool2", kind="avg")
    assert skeleton([conv, average, Activation("relu2")]) != skeleton([replace(conv, active=True), average])


def test_constants_that_went_through_float32_are_the_same() -> None:
    through = Norm("norm1", alpha=float(np.float32(1e-4)), beta=float(np.float32(0.75)), k=float(np.float32(2)))
    assert skeleton([through]) == skeleton([Norm("norm1")])


def test_a_file_with_other_layers_says_how_many() -> None:
    assert misfit(layers_of("cifar-quick"), find("bvlc")) == "4 layers with weights, and bvlc has 8"
