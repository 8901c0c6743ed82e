"""Figures for people, as matplotlib draws them: no window, no global state, labels that may hold any character.

Maps of values are in viridis, heat over a picture in cividis: both grow lighter evenly and look the same to
colour-blind eyes. Bars are blue; orange ones are right.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet.errors import DataError, MissingExtra, UsageError
from alexnet.inference.charts import COLORS, shorten
from alexnet.inference.colour_share import Tower
from alexnet.inference.predict import Guess
from alexnet.weights.durable import replace_file, writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE = COLORS[:2]
DPI = 144
LETTERS = 26  # of a class name beside a bar
# For names that DejaVu has no letters for, the first of these that is installed.
OTHER_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "PingFang SC",
               "Microsoft YaHei", "Hiragino Sans", "Noto Sans Arabic", "Noto Sans Devanagari")  # fmt: skip


def save_figure(figure: "Figure", path: str | Path) -> Path:
    """Write a figure as PNG (.svg and .pdf work too) and return its path.

    Raises:
        UsageError: matplotlib writes no such format.
        DataError: the file cannot be written.
    """
    path = Path(path).expanduser()
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise UsageError(f"{path} names no format of figures. Choose a suffix of .png, .svg, .pdf.")
    with writing(path, DataError), _any_letters():
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, lambda aside: figure.savefig(aside, format=kind, dpi=DPI, facecolor="white"))
    return path


def kernels_figure(title: str, towers: Sequence[Tower], tiles: Sequence[np.ndarray]) -> "Figure":
    """Kernels tower by tower, and below them every kernel's share of colour.

    Args:
        title: of the figure.
        towers: see `first_layer_towers`.
        tiles: a picture (H, W, 3) of each tower's kernels.
    """
    heights = [tile.shape[0] / tile.shape[1] for tile in tiles]
    figure = _figure(8, 8 * sum(heights) + 0.55 * len(tiles) + 2.3)
    *grids, strip = figure.subplots(len(tiles) + 1, 1, height_ratios=[*(8 * height + 0.35 for height in heights), 1.2])
    for axes, tower, tile in zip(grids, towers, tiles, strict=True):
        axes.imshow(tile, interpolation="nearest")
        axes.set_axis_off()
        name = f"Tower {tower.number}: " if len(towers) > 1 else ""
        axes.set_title(f"{name}{len(tower.kernels)} kernels, {tower.mean_share:.0%} colour", loc="left")
    for row, tower in enumerate(towers):
        strip.scatter(
            tower.shares, np.full(len(tower.shares), row), s=36, color=COLORS[row % 2], alpha=0.5, linewidths=0
        )
        strip.plot([tower.mean_share] * 2, [row - 0.35, row + 0.35], color="black", linewidth=2)
    strip.set_yticks(range(len(towers)), [f"tower {tower.number}" if len(towers) > 1 else "all" for tower in towers])
    strip.set(xlim=(-0.02, 1.02), ylim=(len(towers) - 0.4, -0.6))
    strip.set_xticks(np.linspace(0, 1, 6), [f"{share:.0%}" for share in np.linspace(0, 1, 6)])
    strip.set_xlabel("share of a kernel that is colour (a dot each; the line is the tower's mean)")
    _bare(strip)
    _title(figure, title)
    return figure


def maps_figure(title: str, view: np.ndarray, maps: np.ndarray, names: Sequence[str], scale_label: str) -> "Figure":
    """A picture and some maps (N, H, W) made of it, on one scale."""
    columns = min(8, math.ceil(math.sqrt(len(maps) * 1.5))) if len(maps) > 1 else 1
    rows = math.ceil(len(maps) / columns)
    side = max(1.15, 2.4 / columns)  # inches of a map
    figure = _figure(2.6 + side * columns + 0.9, max(2.9, (side + 0.2) * rows + 0.5))
    ((left, right),) = figure.subfigures(1, 2, squeeze=False, width_ratios=[2.6, side * columns + 0.9])
    axes = left.subplots(1, 1)
    axes.imshow(view)
    axes.set_title("what the network looks at", fontsize=9)
    axes.set_axis_off()
    grid = np.atleast_1d(right.subplots(rows, columns, squeeze=False)).ravel()
    low, high = float(maps.min()), float(maps.max())
    drawn: Any = None
    for place, cell in enumerate(grid):
        cell.set_axis_off()
        if place < len(maps):
            drawn = cell.imshow(maps[place], cmap="viridis", vmin=low, vmax=high or 1, interpolation="nearest")
            cell.set_title(names[place], fontsize=8, pad=2)
    bar = figure.colorbar(drawn, ax=grid.tolist(), shrink=0.9, aspect=30, pad=0.02)
    bar.set_label(scale_label)
    _title(figure, title)
    return figure


def heat_figure(
    title: str, view: np.ndarray, heat: np.ndarray, scale_label: str, top: Sequence[Guess], chosen: int
) -> "Figure":
    """A picture, the same under a heat map, and below them the likeliest classes.

    Args:
        title: of the figure.
        view: (H, W, 3) uint8.
        heat: (H, W); what is below zero counts as zero.
        scale_label: what the heat measures, in its units.
        top: guesses, likeliest first.
        chosen: index of the class that the heat is about; its bar is orange.
    """
    figure = _figure(8.4, 6.1)
    (upper,), (lower,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[4.1, 1.7])
    plain, hot = upper.subplots(1, 2)
    plain.imshow(view)
    gray = np.asarray(view, np.float64) @ [0.299, 0.587, 0.114]
    hot.imshow(gray, cmap="gray", vmin=0, vmax=255)
    drawn = hot.imshow(heat, cmap="cividis", vmin=0, vmax=max(float(heat.max()), 1e-12), alpha=0.6)
    for axes in (plain, hot):
        axes.set_axis_off()
    scale = upper.colorbar(drawn, ax=[plain, hot], shrink=0.9, aspect=28, pad=0.02)
    scale.solids.set_alpha(1)
    scale.set_label(scale_label)
    _bars(lower.subplots(1, 1, gridspec_kw={"left": 0.3, "right": 0.9}), top, {chosen})
    _title(figure, title)
    return figure


def guesses_figure(pictures: Sequence[tuple[str, np.ndarray, Sequence[Guess], int | None]]) -> "Figure":
    """Pictures with bars for their likeliest classes below, as the paper's figure 4 (left).

    Args:
        pictures: name, pixels (H, W, 3), guesses and the index of the right class, None where nobody knows it.
    """
    rows = math.ceil(len(pictures) / 4)
    columns = math.ceil(len(pictures) / rows)
    figure = _figure(2.5 * columns, 3.9 * rows, gap=0.08)
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[2.3, 1.3] * rows)
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        above, below = grid[2 * row, column], grid[2 * row + 1, column]
        above.set_axis_off()
        if place >= len(pictures):
            below.set_axis_off()
            continue
        name, pixels, top, right = pictures[place]
        above.imshow(pixels)
        above.set_title(shorten(name, LETTERS), fontsize=9, parse_math=False)
        _bars_with_names_inside(below, top, right)
    return figure


def neighbours_figure(
    title: str, rows: Sequence[tuple[str, np.ndarray, Sequence[tuple[str, str, np.ndarray]]]]
) -> "Figure":
    """Pictures, each with its nearest ones to its right, as the paper's figure 4 (right).

    Args:
        title: of the figure.
        rows: name and pixels of a picture; then name, distance and pixels of each neighbour, nearest first.
    """
    columns = 1 + max(len(found) for _, _, found in rows)
    figure = _figure(1.55 * columns + 0.3, 1.95 * len(rows) + 0.55)
    ratios = [1, 0.12, *[1] * (columns - 1)]
    grid = figure.subplots(len(rows), columns + 1, squeeze=False, width_ratios=ratios)
    for cells, (name, pixels, found) in zip(grid, rows, strict=True):
        for cell in cells:
            cell.set_axis_off()
        cells[0].imshow(pixels)
        cells[0].set_title(shorten(name, 20), fontsize=8, fontweight="bold", parse_math=False)
        for cell, (other, distance, thumbnail) in zip(cells[2:], found, strict=False):
            cell.imshow(thumbnail)
            cell.set_title(f"{shorten(other, 20)}\n{distance}", fontsize=7.5, parse_math=False)
    _title(figure, title)
    return figure


def _bars(axes: "Axes", top: Sequence[Guess], marked: set[int]) -> None:
    """Guesses as bars, one below the other, with names to the left and percentages to the right."""
    places = range(len(top))
    colors = [ORANGE if guess.index in marked else BLUE for guess in top]
    axes.barh(places, [1] * len(top), color="#eceef1", height=0.62)
    axes.barh(places, [guess.prob for guess in top], color=colors, height=0.62)
    axes.set_yticks(places, [shorten(guess.label, LETTERS) for guess in top], parse_math=False)
    for place, guess in enumerate(top):
        axes.text(1.01, place, f"{guess.prob:.1%}", va="center")
    axes.set(xlim=(0, 1), ylim=(max(5, len(top)) - 0.5, -0.5))
    axes.set_xticks([])
    _bare(axes, bottom=False)


def _bars_with_names_inside(axes: "Axes", top: Sequence[Guess], right: int | None) -> None:
    """Guesses as bars under a narrow picture: names are written over them."""
    places = range(len(top))
    colors = [ORANGE if guess.index == right else BLUE for guess in top]
    axes.barh(places, [guess.prob for guess in top], color=colors, height=0.8, alpha=0.45)
    for place, guess in enumerate(top):
        axes.text(0.02, place, shorten(guess.label, LETTERS), va="center", fontsize=8, parse_math=False)
        axes.text(1, place, f"{guess.prob:.0%}", va="center", ha="right", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(max(5, len(top)) - 0.5, -0.6))
    axes.set_axis_off()


def _bare(axes: "Axes", bottom: bool = True) -> None:
    """Leave of the frame the bottom alone, or nothing."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_visible(bottom)
    axes.tick_params(axis="y", length=0)


def _title(figure: "Figure", title: str) -> None:
    figure.suptitle(title, fontsize=12, parse_math=False)


def _figure(width: float, height: float, gap: float = 0.02) -> "Figure":
    """An empty figure of so many inches that arranges what is put in, `gap` of a cell apart.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise MissingExtra("matplotlib", "explain") from None
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(wspace=gap))


@contextmanager
def _any_letters() -> Iterator[None]:
    """Draw with every font that a name might need; a letter that none has becomes a box, without a warning."""
    from matplotlib import rc_context

    with rc_context({"font.family": list(_fonts())}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield


@cache
def _fonts() -> tuple[str, ...]:
    from matplotlib import font_manager

    there = set(font_manager.get_font_names())
    return ("DejaVu Sans", *(name for name in OTHER_FONTS if name in there))
