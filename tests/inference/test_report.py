import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.errors import RunError
from alexnet.inference import Classifier, ClassResult, Evaluation, Guess, Prediction
from alexnet.inference import report as reports
from alexnet.inference.report import write_report
from oracles.classifiers import LABELS, draw, make_classifier

VOID = {"meta", "img", "path", "rect", "circle", "br"}
HOSTILE = "<script>alert('x')</script>"


class Page(HTMLParser):
    """A page's elements, and whether each that opens is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def evaluation(count: int, seed: int = 0) -> Evaluation:
    confusion = np.random.default_rng(seed).integers(0, 4, (count, count)) + 12 * np.eye(count, dtype=int)
    images = confusion.sum(axis=1)
    labels = tuple(LABELS[:count]) if count <= len(LABELS) else tuple(f"class {index}" for index in range(count))
    per_class = tuple(
        ClassResult(index, labels[index], int(images[index]), float(1 - confusion[index, index] / images[index]))
        for index in range(count)
    )
    error = float(1 - np.trace(confusion) / confusion.sum())
    rows = tuple(tuple(row) for row in confusion.tolist())
    return Evaluation(int(images.sum()), error, 0.05, 1.234, 10, labels, per_class, rows, (("bad.jpg", "is empty"),))


ROWS = [
    {"event": "step", "epoch": 0, "step": 1, "train_loss": 9.0, "val_loss": None, "top1_error": None},
    {"event": "epoch", "epoch": 0, "step": 9, "train_loss": 2.0, "val_loss": 1.9, "top1_error": 0.7},
    {"event": "epoch", "epoch": 0, "step": 18, "train_loss": 1.5, "val_loss": 1.6, "top1_error": 0.5},
]


@pytest.fixture
def everything(classifier: Classifier, tmp_path: Path) -> Path:
    prediction = Prediction("folder/cat.jpg", (Guess(0, "ant", 0.7), Guess(1, HOSTILE, 0.2)))
    found = evaluation(5)
    sections = [
        reports.predictions_section([(prediction, draw(1, 400, 300))]),
        reports.curves_section(ROWS),
        reports.kernels_section(classifier),
        reports.picture_section("Heat map", "Yellow matters.", draw(2), "a cat under colours"),
        reports.confusion_section(found),
        reports.classes_section(found),
        reports.skipped_section(found),
    ]
    return write_report(tmp_path / "out", f"Report on {HOSTILE}", reports.evaluation_facts(found), sections)


def test_the_page_is_whole_and_every_element_closed(everything: Path) -> None:
    page = Page(everything)
    assert everything.name == "report.html"
    assert [heading for heading in page.texts if heading == "Confusion"] == ["Confusion"]
    assert len(page.named("section")) == 7


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(everything: Path) -> None:
    page = Page(everything)
    assert not page.named("script") and not page.named("link") and not page.named("iframe")
    addresses = [
        value for _, attributes in page.elements for key, value in attributes.items() if key in ("src", "href")
    ]
    assert addresses and all(address and address.startswith("data:image/") for address in addresses)
    text = everything.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|url\(", text)


def test_names_cannot_become_markup(everything: Path) -> None:
    assert HOSTILE not in everything.read_text(encoding="utf-8")
    assert f"Report on {HOSTILE}" in Page(everything).texts


def test_every_picture_says_in_words_what_it_is(everything: Path) -> None:
    page = Page(everything)
    assert [image["alt"] for image in page.named("img")] == [
        "cat.jpg", "A grid of small coloured squares, one per kernel", "a cat under colours",
    ]  # fmt: skip
    assert all(svg["aria-label"] and svg["role"] == "img" for svg in page.named("svg"))


def test_the_page_serves_phones_and_dark_rooms(everything: Path) -> None:
    text = everything.read_text(encoding="utf-8")
    assert "width=device-width" in text
    assert "prefers-color-scheme: dark" in text


def test_pictures_travel_inside_the_page(everything: Path) -> None:
    sources = [image["src"] or "" for image in Page(everything).named("img")]
    pictures = [Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))) for source in sources]
    assert [picture.format for picture in pictures] == ["JPEG", "PNG", "PNG"]
    assert pictures[0].size == (256, 192)  # a small copy
    assert np.array_equal(np.asarray(pictures[2].convert("RGB")), np.asarray(draw(2)))


def test_curves_are_of_epochs_and_count_them_over_all_stages(tmp_path: Path) -> None:
    body = str(reports.curves_section(ROWS).body)
    assert body.count("<svg") == 2
    assert body.count("<circle") == 6  # two epochs of two losses and one error; no step
    assert ">60%<" in body
    assert "nothing measured yet" in reports.curves_section([]).body


def test_few_classes_make_a_table_of_all_pairs(tmp_path: Path) -> None:
    found = evaluation(5)
    page = Page(write_report(tmp_path, "t", {}, [reports.confusion_section(found)]))
    cells = list(page.named("td"))
    assert len(cells) == 25
    assert (
        cells[1]["title"]
        == f"ant taken for bee: {found.confusion[0][1]} ({found.confusion[0][1] / sum(found.confusion[0]):.0%})"
    )


def test_many_classes_make_a_list_of_the_worst_pairs() -> None:
    found = evaluation(31)
    body = str(reports.confusion_section(found).body)
    assert body.count("<tr>") == 21
    shown = [int(cell) for cell in re.findall(r'<td class="number">(\d+)</td>', body)]
    counts = np.array(found.confusion)
    assert shown == sorted((counts - np.diag(np.diag(counts))).ravel().tolist(), reverse=True)[:20]


def test_a_faultless_network_has_no_worst_pairs() -> None:
    perfect = tuple(tuple(row) for row in (3 * np.eye(40, dtype=int)).tolist())
    found = Evaluation(120, 0.0, 0.0, 0.1, 1, tuple(map(str, range(40))), (), perfect, ())
    assert "<td" not in reports.confusion_section(found).body


def test_classes_without_pictures_have_no_row_but_a_column() -> None:
    found = Evaluation(
        2, 0.5, None, 1.0, 1, ("a", "b", "c"), (ClassResult(1, "b", 2, 0.5),), ((0,) * 3, (1, 1, 0), (0,) * 3), ()
    )
    body = str(reports.confusion_section(found).body)
    assert body.count('scope="row"') == 1
    assert body.count('scope="col"') == 4


def test_the_hardest_class_comes_first() -> None:
    results = (ClassResult(0, "a", 4, 0.25), ClassResult(1, "b", 4, 0.75), ClassResult(2, "c", 4, 0.25))
    found = Evaluation(12, 0.4, None, 1.0, 1, ("a", "b", "c"), results, ((1,) * 3,) * 3, ())
    assert re.findall(r'scope="row">(\w)<', str(reports.classes_section(found).body)) == ["b", "a", "c"]


def test_facts_are_figures_as_people_read_them() -> None:
    facts = reports.evaluation_facts(evaluation(5))
    assert facts["Views"] == "10"
    assert facts["Top-5 error"] == "5.0%"
    assert facts["Pictures"].endswith("(1 skipped)")


def test_a_path_to_a_file_is_that_file(tmp_path: Path) -> None:
    assert write_report(tmp_path / "mine.html", "t", {}, []) == tmp_path / "mine.html"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.html"]


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(RunError, match="cannot be written"):
        write_report(tmp_path / "file", "t", {}, [])


def test_kernels_of_any_network_have_a_section() -> None:
    assert "data:image/png" in reports.kernels_section(make_classifier(order="BGR")).body
