"""Counts and shapes against the published figures."""

import pytest

from alexnet.lineages import LINEAGES, out_size, totals, trace, vary

PUBLISHED = {  # parameters, multiply-adds
    "paper": (60_965_224, 724_406_816),
    "chm": (60_965_224, 724_406_816),
    "chm-half": (59_798_312, 391_514_384),
    "bvlc": (60_965_224, 724_406_816),
    "caffenet": (60_965_224, 724_406_816),
    "theano": (60_965_224, 724_406_816),
    "owt": (61_100_840, 714_188_480),
    "torchvision": (61_100_840, 714_188_480),
    "ungrouped": (62_378_344, 1_135_256_096),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_totals_are_the_published_ones(name: str) -> None:
    sums = totals(trace(LINEAGES[name]))
    assert (sums.params, sums.macs) == PUBLISHED[name]


@pytest.mark.parametrize(
    ("name", "params_share", "macs_share"),
    [("paper", 3.83, 91.91), ("ungrouped", 6.01, 94.84), ("torchvision", 4.04, 91.79), ("chm-half", 1.95, 85.03)],
)
def test_only_the_ungrouped_net_has_the_folk_shares(name: str, params_share: float, macs_share: float) -> None:
    sums = totals(trace(LINEAGES[name]))
    assert (round(100 * sums.conv_params_share, 2), round(100 * sums.conv_macs_share, 2)) == (params_share, macs_share)


def test_rows_of_the_grouped_net() -> None:
    counted = {row.layer.name: (row.weights, row.biases, row.macs) for row in trace(LINEAGES["bvlc"]) if row.weights}
    assert counted == {
        "conv1": (34_848, 96, 105_415_200),
        "conv2": (307_200, 256, 223_948_800),
        "conv3": (884_736, 384, 149_520_384),
        "conv4": (663_552, 384, 112_140_288),
        "conv5": (442_368, 256, 74_760_192),
        "fc6": (37_748_736, 4_096, 37_748_736),
        "fc7": (16_777_216, 4_096, 16_777_216),
        "fc8": (4_096_000, 1_000, 4_096_000),
    }


def test_the_paper_has_650_thousand_units() -> None:
    assert totals(trace(LINEAGES["paper"])).units == 659_272


@pytest.mark.parametrize(
    ("name", "size", "classes", "macs"),
    [
        ("bvlc", 224, None, 720_608_384),
        ("torchvision", 227, None, 716_767_232),
        ("ungrouped", 224, None, 1_131_457_664),
        ("caffenet", 227, 205, 721_150_496),
        ("caffenet", 227, 365, 721_805_856),
    ],
)
def test_other_sizes_and_heads(name: str, size: int, classes: int | None, macs: int) -> None:
    assert totals(trace(vary(LINEAGES[name], num_classes=classes), size)).macs == macs


@pytest.mark.parametrize(("ceil", "side"), [(True, 55), (False, 54)])
def test_224_becomes_55_only_when_rounded_up(ceil: bool, side: int) -> None:
    assert out_size(224, kernel_size=11, stride=4, padding=0, ceil=ceil) == side
