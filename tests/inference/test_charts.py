import itertools
import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet.inference.charts import BAR_WIDTH, LABEL_WIDTH, VALUE_WIDTH, Line, bar_chart, line_chart, shorten, ticks

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


def curves(svg: str) -> list[list[tuple[float, float]]]:
    """The points of every curve, in pixels."""
    paths = [node.get("d", "") for node in ET.fromstring(svg).iter(f"{SVG}path") if node.get("fill") == "none"]
    pairs = [[point.split() for point in path.removeprefix("M").split("L")] for path in paths if "h" not in path]
    return [[(float(x), float(y)) for x, y in pair] for pair in pairs]


@settings(deadline=None)  # a machine that is busy is not a fault
@given(low=st.floats(0, 1e4), span=st.floats(0.1, 1e5), most=st.integers(2, 12), whole=st.booleans())
def test_ticks_are_round_even_few_and_reach_beyond_both_ends(low: float, span: float, most: int, whole: bool) -> None:
    found = ticks(low, low + span, most, whole)
    steps = [after - before for before, after in itertools.pairwise(found)]
    assert found[0] <= low * (1 + 1e-9)
    assert found[-1] >= (low + span) * (1 - 1e-9)
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-6)
    digits = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-6)
    assert min(abs(digits - round_one) for round_one in (1, 2, 5)) < 1e-4
    assert 2 <= len(found) <= most + 2
    assert not whole or all(value == round(value) for value in found)


def test_ticks_of_a_single_value_still_make_an_axis() -> None:
    assert ticks(3, 3, 5, whole=True) == (3, 4)
    assert ticks(0, 0, 5)[0] == 0


def test_a_curve_goes_where_its_values_are() -> None:
    svg = line_chart("loss", [Line("a", [(1, 4.0), (2, 2.0), (3, 1.0)])], "epoch", "loss")
    ((first, second, third),) = curves(svg)
    assert first[0] < second[0] < third[0]
    assert second[0] - first[0] == pytest.approx(third[0] - second[0])
    # y grows downwards and begins at zero: 4 -> 2 is twice as far as 2 -> 1
    assert second[1] - first[1] == pytest.approx(2 * (third[1] - second[1]), abs=0.2)
    zero = 2 * third[1] - second[1]
    assert zero == pytest.approx(206, abs=0.3)  # 250 high, 44 for the labels below


def test_axes_and_lines_are_named() -> None:
    lines = [Line("training", [(1, 0.5), (4, 0.25)]), Line("validation", [(1, 0.75), (4, 0.5)])]
    svg = line_chart("Errors", lines, "epoch", "top-1 error", percent=True)
    found = texts(svg)
    assert {"epoch", "top-1 error", "training", "validation", "1", "4", "0%", "20%", "80%"} <= set(found)
    assert ET.fromstring(svg).get("aria-label") == "Errors"
    assert ET.fromstring(svg).get("role") == "img"


def test_lines_differ_by_more_than_their_colour() -> None:
    lines = [Line(name, [(1, 1.0), (2, 2.0)]) for name in "abcd"]
    root = ET.fromstring(line_chart("t", lines, "x", "y"))
    drawn = [node for node in root.iter(f"{SVG}path") if node.get("fill") == "none" and "L" in node.get("d", "")]
    assert len({node.get("stroke-dasharray") for node in drawn}) == len({node.get("stroke") for node in drawn}) == 4


def test_values_that_are_not_finite_leave_a_gap_and_not_a_broken_chart() -> None:
    svg = line_chart("t", [Line("a", [(1, 2.0), (2, math.nan), (3, math.inf), (4, 1.0)])], "x", "y")
    assert len(curves(svg)[0]) == 2
    assert "nan" not in svg and "inf" not in svg


def test_a_chart_of_nothing_says_so() -> None:
    assert "nothing measured yet" in texts(line_chart("t", [Line("a", [])], "epoch", "loss"))[0]


def test_one_epoch_is_a_visible_point() -> None:
    assert len(list(ET.fromstring(line_chart("t", [Line("a", [(1, 2.0)])], "x", "y")).iter(f"{SVG}circle"))) == 1


def test_bars_are_as_long_as_their_shares() -> None:
    root = ET.fromstring(bar_chart("guesses", [("cat", 0.75), ("dog", 0.25)]))
    room = BAR_WIDTH - LABEL_WIDTH - VALUE_WIDTH
    widths = [float(node.get("width", "")) for node in root.iter(f"{SVG}rect")]
    assert widths == pytest.approx([room, 0.75 * room, room, 0.25 * room], abs=0.1)
    assert texts(bar_chart("guesses", [("cat", 0.75)])) == ["cat", "75.0%"]


def test_names_cannot_become_markup() -> None:
    hostile = '"><script>alert(1)</script>&'
    for svg in (
        bar_chart(hostile, [(hostile, 0.5)]),
        line_chart(hostile, [Line(hostile, [(1, 1)])] * 2, hostile, hostile),
    ):
        root = ET.fromstring(svg)
        assert root.get("aria-label") == hostile
        assert not list(root.iter(f"{SVG}script"))


def test_long_names_are_shortened_and_whole_under_the_pointer() -> None:
    name = "soft-coated wheaten terrier"
    assert shorten(name) == "soft-coated wheat…"
    assert shorten("cat") == "cat"
    root = ET.fromstring(bar_chart("t", [(name, 0.5)]))
    assert name in [node.text for node in root.iter(f"{SVG}title")]
