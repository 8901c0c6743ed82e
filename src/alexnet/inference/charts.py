"""Charts as SVG text: pure functions, no fonts or scripts from elsewhere.

Colours are the page's variables --series-0 and so on, with those of Okabe and Ito, which colour-blind people can tell
apart, where there is no page. Text and axes take the page's text colour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
DASHES = ("none", "6 3", "2 3", "8 3 2 3")  # colour is never the only difference
WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 34, 44  # margins around the plot
FONT = 'font-family="system-ui, sans-serif" font-size="12" fill="currentColor"'
MARKERS_UP_TO = 30
BAR_WIDTH, BAR_HEIGHT, LABEL_WIDTH, VALUE_WIDTH = 320, 24, 140, 52
LABEL_LETTERS = 18


@dataclass(frozen=True)
class Line:
    """A named curve of (x, y) points; points that are not finite are left out."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """A range of values and where it lies on the page, in pixels; `ticks` are its round numbers."""

    ticks: tuple[float, ...]
    start: float
    stop: float

    def place(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.ticks[0], self.ticks[-1]
        return self.start + (value - low) / (high - low) * (self.stop - self.start)


def line_chart(title: str, lines: Sequence[Line], x_label: str, y_label: str, percent: bool = False) -> str:
    """Curves over a common x axis of whole numbers; y begins at zero.

    Args:
        title: what screen readers say.
        lines: at most 4, each drawn by its place among them; those without a finite point are left out, and a chart
            without lines says so.
        x_label: below the axis.
        y_label: above the axis.
        percent: whether y are fractions, to be read as percent.
    """
    assert len(lines) <= len(COLORS), f"{title}: {len(lines)} lines"
    kept = {style: Line(line.name, points) for style, line in enumerate(lines) if (points := _finite(line.points))}
    if not kept:
        return _svg(title, WIDTH, 40, [_text(4, 24, f"{y_label}: nothing measured yet")])
    xs, ys = ([point[axis] for line in kept.values() for point in line.points] for axis in (0, 1))
    x = Axis(ticks(min(xs), max(xs), 8, whole=True), LEFT, WIDTH - RIGHT)
    y = Axis(ticks(0, max(ys), 5), HEIGHT - BOTTOM, TOP)
    parts = [
        *(_y_tick(y, value, percent) for value in y.ticks),
        *(_x_tick(x, value) for value in x.ticks),
        _text(WIDTH - RIGHT, HEIGHT - 6, x_label, "end"),
        _text(4, 14, y_label),
        *(_legend(place, style, line.name) for place, (style, line) in enumerate(kept.items())),
        *(_curve(style, line, x, y) for style, line in kept.items()),
    ]
    return _svg(title, WIDTH, HEIGHT, parts)


def bar_chart(title: str, bars: Sequence[tuple[str, float]]) -> str:
    """Fractions of 0..1 as bars from left to right, one below the other, each with its name and percentage."""
    room = BAR_WIDTH - LABEL_WIDTH - VALUE_WIDTH
    parts = []
    for row, (name, share) in enumerate(bars):
        middle = row * BAR_HEIGHT + BAR_HEIGHT / 2
        parts += [
            _text(LABEL_WIDTH - 8, middle + 4, shorten(name), "end", hover=name),
            f'<rect x="{LABEL_WIDTH}" y="{middle - 7:g}" width="{room}" height="14" rx="2" fill="currentColor" '
            'opacity="0.1"/>',
            f'<rect x="{LABEL_WIDTH}" y="{middle - 7:g}" width="{max(1.0, share * room):.1f}" height="14" rx="2" '
            f'fill="{_color(0)}"/>',
            _text(BAR_WIDTH, middle + 4, f"{share:.1%}", "end"),
        ]
    return _svg(title, BAR_WIDTH, BAR_HEIGHT * len(bars), parts)


def ticks(low: float, high: float, most: int, whole: bool = False) -> tuple[float, ...]:
    """Round numbers at even steps of 1, 2 or 5 times a power of ten, from below `low` to above `high`.

    Args:
        low: smallest value shown.
        high: largest value shown.
        most: about how many numbers there is room for.
        whole: whether values between whole numbers have no meaning.
    """
    span = (high - low) or 1.0
    magnitude = 10.0 ** math.floor(math.log10(span / most))
    step = next(factor * magnitude for factor in (1, 2, 5, 10, 20) if factor * magnitude * most >= span)
    step = max(1.0, step) if whole else step
    first, last = math.floor(low / step), math.ceil(high / step)
    return tuple(number * step for number in range(first, max(last, first + 1) + 1))


def shorten(name: str, letters: int = LABEL_LETTERS) -> str:
    """A name that fits beside a chart."""
    return name if len(name) <= letters else name[: letters - 1].rstrip() + "…"


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [point for point in points if all(map(math.isfinite, point))]


def _svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title><g {FONT}>{"".join(parts)}</g></svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", hover: str = "") -> str:
    title = f"<title>{escape(hover)}</title>" if hover not in ("", text) else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{title}{escape(text)}</text>'


def _y_tick(axis: Axis, value: float, percent: bool) -> str:
    at = axis.place(value)
    number = f"{value * 100:g}%" if percent else f"{value:.6g}"
    line = f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="currentColor" opacity="{0.15 if value else 0.6}"/>'
    return line + _text(LEFT - 6, round(at + 4, 1), number, "end")


def _x_tick(axis: Axis, value: float) -> str:
    at, floor = axis.place(value), HEIGHT - BOTTOM
    line = f'<path d="M{at:.1f} {floor}v4" stroke="currentColor" opacity="0.6"/>'
    return line + _text(round(at, 1), floor + 18, f"{value:g}", "middle")


def _legend(place: int, style: int, name: str) -> str:
    row, column = divmod(place, 2)
    left, top = LEFT + 70 + 140 * column, 10 + 16 * row
    return f'<path d="M{left} {top}h22" {_stroke(style)}/>' + _text(left + 28, top + 4, name)


def _curve(style: int, line: Line, x: Axis, y: Axis) -> str:
    places = [(x.place(across), y.place(up)) for across, up in line.points]
    path = "M" + "L".join(f"{across:.1f} {up:.1f}" for across, up in places)
    dots = [
        f'<circle cx="{across:.1f}" cy="{up:.1f}" r="2.5" fill="{_color(style)}"/>'
        for across, up in places
        if len(places) <= MARKERS_UP_TO
    ]
    return f'<path d="{path}" {_stroke(style)}/>' + "".join(dots)


def _stroke(style: int) -> str:
    return f'fill="none" stroke="{_color(style)}" stroke-width="2" stroke-dasharray="{DASHES[style]}"'


def _color(style: int) -> str:
    return f"var(--series-{style}, {COLORS[style]})"
