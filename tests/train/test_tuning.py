import pytest

from alexnet.errors import UsageError
from alexnet.lineages import LINEAGES, Lineage, find, weighted
from alexnet.train.recipe import TUNED
from alexnet.train.tuning import deeper_layers, last_convolution, last_fixed, plan_tuning, renewed_layers, stage_epochs

BVLC = find("bvlc")


def test_only_the_head_is_new_when_the_classes_are_others() -> None:
    assert renewed_layers(BVLC, (), is_new_head=True) == ("fc8",)


def test_skipped_layers_are_new_in_the_order_of_the_network() -> None:
    assert renewed_layers(BVLC, ("fc7", "fc6"), is_new_head=True) == ("fc6", "fc7", "fc8")
    assert renewed_layers(BVLC, ("fc7",), is_new_head=False) == ("fc7",)


def test_a_layer_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"--skip fc9: no such layer here. Did you mean fc8"):
        renewed_layers(BVLC, ("fc9",), is_new_head=True)
    with pytest.raises(UsageError, match=r"--freeze conv6: .* Expected one of none, conv1, norm1"):
        deeper_layers(BVLC, "conv6", ("fc8",))


def test_deeper_layers_are_those_behind_the_frozen_ones() -> None:
    assert deeper_layers(BVLC, "conv5", ("fc8",)) == ("fc6", "fc7")
    assert deeper_layers(BVLC, "pool2", ("fc8",)) == ("conv3", "conv4", "conv5", "fc6", "fc7")
    assert deeper_layers(BVLC, "fc7", ("fc8",)) == ()
    assert deeper_layers(BVLC, "none", ("fc8",)) == weighted(BVLC)[:-1]


def test_a_new_layer_cannot_be_frozen() -> None:
    with pytest.raises(UsageError, match="fc6 starts anew and must be trained, but --freeze fc7"):
        deeper_layers(BVLC, "fc7", ("fc6", "fc8"))


def test_the_head_cannot_be_frozen() -> None:
    with pytest.raises(UsageError, match="--freeze fc8: no such layer"):
        deeper_layers(BVLC, "fc8", ())


@pytest.mark.parametrize(
    ("name", "trained", "fixed"),
    [
        ("bvlc", {"fc8"}, "fc7"),  # drop7 stands between them, and draws anew at each step
        ("bvlc", {"fc6", "fc7", "fc8"}, "pool5"),
        ("bvlc", {"fc7", "fc8"}, "fc6"),
        ("bvlc", {"conv3", "fc8"}, "pool2"),
        ("bvlc", {"conv1"}, None),
        ("torchvision", {"fc8"}, "fc7"),  # dropout before fc6 and fc7, none before fc8
        ("torchvision", {"fc6", "fc7", "fc8"}, "avgpool"),
    ],
)
def test_the_last_fixed_layer_stands_before_dropout_and_what_is_trained(
    name: str, trained: set[str], fixed: str | None
) -> None:
    assert last_fixed(find(name), trained) == fixed


@pytest.mark.parametrize("lineage", LINEAGES.values(), ids=list(LINEAGES))
def test_every_lineage_can_be_tuned_with_its_convolutions_frozen(lineage: Lineage) -> None:
    renewed = renewed_layers(lineage, (), is_new_head=True)
    deeper = deeper_layers(lineage, last_convolution(lineage), renewed)
    assert last_fixed(lineage, {*deeper, *renewed}) is not None
    assert not any(name.startswith(("conv", "local")) for name in deeper)


@pytest.mark.parametrize("lineage", LINEAGES.values(), ids=list(LINEAGES))
def test_every_lineage_can_train_its_head_alone(lineage: Lineage) -> None:
    assert renewed_layers(lineage, (), is_new_head=True) == (lineage.head,)
    assert last_fixed(lineage, {lineage.head}) is not None


def test_a_stage_without_layers_leaves_its_epochs_to_the_other() -> None:
    head, both = TUNED.head_epochs, TUNED.epochs
    assert stage_epochs(TUNED, ("fc8",), ("fc7",)) == (head, both - head)
    assert stage_epochs(TUNED, ("fc8",), ()) == (both, 0)
    assert stage_epochs(TUNED, (), ("fc7", "fc8")) == (0, both)


@pytest.mark.parametrize(("lineage", "freeze"), [("bvlc", "conv5"), ("cifar-quick", "conv3")])
def test_unless_told_otherwise_all_convolutions_stay(lineage: str, freeze: str) -> None:
    tuning = plan_tuning({}, find(lineage), is_new_head=True, count=100)
    assert tuning.recipe.freeze == freeze
    assert tuning.renewed == (find(lineage).head,)
    assert not any(name.startswith("conv") for name in tuning.deeper)
