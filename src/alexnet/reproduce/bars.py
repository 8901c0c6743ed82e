"""Ours beside the paper's, as a picture: a point with its spread for each figure, and a mark where the paper's lies."""

from collections.abc import Sequence
from html import escape

from alexnet.inference.charts import COLORS, ticks
from alexnet.reproduce.claim import Comparison

WIDTH, ROW, TOP, LEFT, RIGHT = 640, 58, 16, 24, 24
TEXT = 'font-family="system-ui, sans-serif" font-size="12" fill="currentColor"'


def comparison_chart(title: str, comparisons: Sequence[Comparison]) -> str:
    """One row for each figure, each on its own scale, for units differ."""
    height = TOP + ROW * len(comparisons) + 30
    rows = "".join(part for place, each in enumerate(comparisons) for part in _row(TOP + ROW * place, each))
    legend = TOP + ROW * len(comparisons) + 18
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" style="background:#fff;color:#222"><title>{escape(title)}</title>{rows}'
        f'<circle cx="{LEFT + 6}" cy="{legend - 4}" r="5" fill="{COLORS[0]}"/>'
        f'<text x="{LEFT + 18}" y="{legend}" {TEXT}>ours, mean and standard deviation over seeds</text>'
        f'<path d="{_diamond(LEFT + 306, legend - 4)}" fill="{COLORS[1]}"/>'
        f'<text x="{LEFT + 318}" y="{legend}" {TEXT}>the paper</text>'
        f'<path d="M{LEFT + 400} {legend - 12}v14" stroke="currentColor" stroke-dasharray="3 2"/>'
        f'<text x="{LEFT + 408}" y="{legend}" {TEXT}>no difference</text></svg>\n'
    )


def _row(top: float, each: Comparison) -> list[str]:
    marks = [each.mean - each.spread, each.mean + each.spread, each.null if each.tolerance is None else each.mean]
    marks += [] if each.paper is None else [each.paper]
    finite = [mark for mark in marks if abs(mark) < 1e9]
    if not finite:
        return [f'<text x="{LEFT}" y="{top + 14}" {TEXT}>{escape(each.what)}: no figure</text>']
    scale = ticks(min(finite), max(finite), 6)
    low, high = scale[0], scale[-1]

    def at(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    axis = top + 38
    parts = [
        f'<text x="{LEFT}" y="{top + 12}" {TEXT}>{escape(each.what)}: {each.mean:.4g}'
        f"{f' ± {each.spread:.2g}' if each.spread else ''} {escape(each.unit)}"
        f"{'' if each.paper is None else f' (paper {each.paper:g})'}</text>",
        f'<path d="M{LEFT} {axis}H{WIDTH - RIGHT}" stroke="currentColor" opacity="0.35"/>',
    ]
    parts += [
        f'<text x="{at(tick):.1f}" y="{axis + 13}" text-anchor="middle" font-size="10" '
        f'font-family="system-ui, sans-serif" fill="currentColor">{tick:g}</text>'
        for tick in scale
    ]
    if each.tolerance is None and low <= each.null <= high:
        parts.append(f'<path d="M{at(each.null):.1f} {axis - 16}v20" stroke="currentColor" stroke-dasharray="3 2"/>')
    if each.spread:
        parts.append(
            f'<path d="M{at(each.mean - each.spread):.1f} {axis - 8}H{at(each.mean + each.spread):.1f}" '
            f'stroke="{COLORS[0]}" stroke-width="2"/>'
        )
    if abs(each.mean) < 1e9:
        parts.append(f'<circle cx="{at(each.mean):.1f}" cy="{axis - 8}" r="5" fill="{COLORS[0]}"/>')
    if each.paper is not None:
        parts.append(f'<path d="{_diamond(at(each.paper), axis - 8)}" fill="{COLORS[1]}"/>')
    return parts


def _diamond(x: float, y: float) -> str:
    return f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"
