import pytest

from alexnet.errors import UsageError
from alexnet.lineages import LINEAGES, find, weighted
from alexnet.weights.dialects import CAFFE, OURS, TORCHVISION, in_torchvision, position, spoken, unwrapped


def test_torchvisions_names_are_ours_turned_round() -> None:
    theirs = in_torchvision(find("torchvision"))
    assert theirs["conv1"] == "features.0"
    assert theirs["fc8"] == "classifier.6"
    assert {TORCHVISION.ours(name): name for name in TORCHVISION.layers} == theirs


def test_of_several_names_for_the_head_the_first_is_written() -> None:
    assert CAFFE.theirs()["fc8"] == "fc8"
    assert {CAFFE.ours(name) for name in ("fc8", "fc8_flickr", "fc-rcnn")} == {"fc8"}


def test_a_name_in_no_table_is_the_same_in_both_languages() -> None:
    assert CAFFE.ours("conv3") == "conv3"
    assert OURS.ours("local3") == "local3"


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("module.features.0", "features.0"),
        ("features.module.0", "features.0"),
        ("module.features.module.0", "features.0"),
        ("module.module.classifier.6", "classifier.6"),
        ("classifier.6", "classifier.6"),
        ("submodule.0", "submodule.0"),
    ],
)
def test_what_data_parallel_puts_before_a_name_is_taken_off(name: str, bare: str) -> None:
    assert unwrapped(name) == bare


@pytest.mark.parametrize("lineage", LINEAGES)
def test_layers_stand_in_the_order_of_their_numbers(lineage: str) -> None:
    names = list(weighted(find(lineage)))
    assert sorted(set(names), key=position) == names
    assert sorted(["head", *names], key=position)[-1] == "head"


def test_the_dialect_is_the_one_that_knows_the_names() -> None:
    assert spoken(["features.0", "classifier.6"]) is TORCHVISION
    assert spoken(["conv1", "fc8_flickr"]) is CAFFE
    assert spoken(["conv1", "fc5"]).ours("fc5") == "fc5"


def test_a_lineage_without_their_eight_layers_has_no_such_names() -> None:
    with pytest.raises(UsageError, match="cifar-quick has conv1, conv2, conv3, fc4"):
        in_torchvision(find("cifar-quick"))
