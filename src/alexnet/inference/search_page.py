"""Pictures beside those that look alike to a network, as a figure or as one HTML page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from alexnet.data.picture import read_picture
from alexnet.errors import DataError, UsageError
from alexnet.inference.figures import neighbours_figure, save_figure
from alexnet.inference.index import Index
from alexnet.inference.nearest import Metric
from alexnet.inference.report import Section, data_uri, write_report
from alexnet.inference.search import Match

SIDE = 160  # pixels of a picture in the figure
ROWS_IN_FIGURE = 30
FIGURES = (".png", ".svg", ".pdf")
NARROW = "grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); gap: .6rem"  # seven in a row
SQUARE = "height: auto; aspect-ratio: 1"  # of the card, whatever the picture's shape
QUERY = "outline: 3px solid var(--series-1)"
MEASURES = {"euclidean": "Euclidean distance", "cosine": "1 minus the cosine"}


def show_matches(path: str | Path, index: Index, matches: Sequence[Match], metric: Metric) -> Path:
    """Write a figure (.png, .svg, .pdf) or a page (.html) of each picture and its neighbours, and return its path.

    Raises:
        UsageError: another suffix, or more pictures than a figure holds.
        DataError: the file cannot be written.
    """
    path = Path(path).expanduser()
    measure = f"{MEASURES[metric]} in {index.about.layer}"
    if path.suffix.lower() == ".html":
        return _page(path, index, matches, measure)
    if path.suffix.lower() not in FIGURES:
        raise UsageError(f"{path}: neighbours are shown as {', '.join(FIGURES)} or .html.")
    if len(matches) > ROWS_IN_FIGURE:
        raise UsageError(f"a figure shows {ROWS_IN_FIGURE} pictures at most, not {len(matches)}; write .html.")
    rows = []
    for match in matches:
        shown = zip(names(match), match.neighbours, strict=True)
        found = [(name, f"{each.distance:.3g}", _thumbnail(index.path(each.path))) for name, each in shown]
        rows.append((Path(match.image).name, _thumbnail(Path(match.image)), found))
    return save_figure(neighbours_figure(f"Nearest by {measure}", rows), path)


def _page(path: Path, index: Index, matches: Sequence[Match], measure: str) -> Path:
    facts = {
        "Network": index.about.weights or index.about.lineage,
        "Index": f"{index.about.pictures:,} pictures",
        "Measure": measure,
    }
    return write_report(path, "Nearest pictures", facts, [_section(index, match) for match in matches])


def _section(index: Index, match: Match) -> Section:
    cards = [_card(Path(match.image), Path(match.image).name, "asked about", is_query=True)]
    cards += [
        _card(index.path(each.path), name, f"{each.distance:.4g}")
        for name, each in zip(names(match), match.neighbours, strict=True)
    ]
    body = Markup('<div class="cards" style="{}">{}</div>').format(NARROW, Markup("").join(cards))
    return Section(Path(match.image).name, "Nearest first, with the distance of each.", body)


def _card(path: Path, name: str, note: str, is_query: bool = False) -> Markup:
    picture = _picture(path)
    shown = (
        Markup('<img src="{}" alt="{}" style="{}">').format(data_uri(picture), name, SQUARE)
        if picture is not None
        else Markup("<p>{} is no longer there.</p>").format(path)
    )
    caption = Markup("<figcaption>{}<br>{}</figcaption>").format(name, note)
    style = f"padding: .4rem; {QUERY if is_query else ''}"
    return Markup('<figure class="card" style="{}" title="{}">{}{}</figure>').format(style, path, shown, caption)


def names(match: Match) -> list[str]:
    """What to call the neighbours: their folders, which are often classes; their files where they share a folder."""
    paths = [Path(each.path) for each in match.neighbours]
    is_by_folder = len({path.parent for path in paths}) > 1
    return [path.parent.name if is_by_folder and path.parent.name else path.name for path in paths]


def _picture(path: Path) -> Image.Image | None:
    try:
        return read_picture(path)
    except DataError:
        return None


def _thumbnail(path: Path) -> np.ndarray:
    """A picture as a square for people, its centre; gray where it is gone."""
    picture = _picture(path)
    if picture is None:
        return np.full((SIDE, SIDE, 3), 200, np.uint8)
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(square)
