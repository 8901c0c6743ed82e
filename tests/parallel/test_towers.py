"""Where two towers talk, and who has none."""

import pytest

from alexnet.errors import UsageError
from alexnet.lineages import find, vary
from alexnet.parallel.towers import cuts, exchanges, require_towers


@pytest.mark.parametrize("name", ["paper", "bvlc", "caffenet"])
def test_towers_talk_where_figure_2_says(name: str) -> None:
    assert exchanges(find(name)) == {
        "norm1": "border", "norm2": "border",
        "conv3": "whole", "fc6": "whole", "fc7": "whole", "fc8": "whole",
    }  # fmt: skip


def test_what_krizhevsky_ran_does_not_talk_in_its_norms() -> None:
    inside = ["conv3", "fc6", "fc7", "fc8"]
    assert list(exchanges(find("chm"))) == inside
    assert list(exchanges(vary(find("paper"), tower_norms=True))) == inside


def test_fully_connected_layers_of_fused_towers_are_cut_so_that_three_sums_are_enough() -> None:
    assert cuts(find("bvlc")) == {"fc6": "inputs", "fc7": "units", "fc8": "inputs"}


@pytest.mark.parametrize("name", ["owt", "torchvision", "ungrouped"])
def test_a_network_without_towers_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no two towers"):
        require_towers(find(name), 2)


def test_four_processes_are_refused() -> None:
    with pytest.raises(UsageError, match="4 processes"):
        require_towers(find("bvlc"), 4)
