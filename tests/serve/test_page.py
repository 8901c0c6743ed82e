"""The page in a real browser, in front of a real server with the packaged network.

Needs Debian's chromium (`apt-get install chromium`), or CHROMIUM=/path/to/it. Leaves screenshots in build/screenshots.
"""

import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("captum")
pytest.importorskip("playwright")

from playwright.sync_api import Browser, BrowserContext, FileChooser, Page, expect, sync_playwright

from alexnet.inference import Classifier, load
from alexnet.serve.app import application
from alexnet.serve.limits import Limits
from alexnet.serve.page import STATIC
from alexnet.weights.load import ASSETS
from oracles.running import ask, post, running

PHOTOS = ASSETS / "photos"
CSS = STATIC / "page.css"
CAT, CUP = PHOTOS / "chelsea.jpg", PHOTOS / "coffee.jpg"
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium: `apt-get install chromium`, or set CHROMIUM")
FLAGS = (
    "--no-sandbox",  # the tests may run as root
    "--disable-dev-shm-usage",  # and where that is small
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WAIT_MS = 30_000


@dataclass
class Heard:
    """What a browser asked for and complained about."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load()


@pytest.fixture(scope="module")
def port(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    index = classifier.index(PHOTOS, tmp_path_factory.mktemp("page") / "photos.index")
    with running(application(classifier, index=index)) as port:
        yield port


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def page(browser: Browser, port: int, heard: Heard) -> Iterator[Page]:
    """The page, opened and ready."""
    yield from fresh(browser, port, heard)


@pytest.fixture(scope="module")
def cat(browser: Browser, port: int) -> Iterator[Page]:
    """The page with all that is said of the cat."""
    for page in fresh(browser, port, Heard()):
        show(page, CAT)
        yield page


def fresh(browser: Browser, port: int, heard: Heard) -> Iterator[Page]:
    """A page; in the end nothing has left this machine and nothing was complained about."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900})
    yield opened(context, port, heard)
    context.close()
    assert {urlsplit(address).hostname for address in heard.requests if address[:5] not in ("data:", "blob:")} == {
        "127.0.0.1"
    }
    assert heard.complaints == []


def opened(context: BrowserContext, port: int, heard: Heard) -> Page:
    context.on("request", lambda request: heard.requests.append(request.url))
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("pageerror", lambda error: heard.complaints.append(str(error)))
    page.on("console", lambda said: heard.complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_selector("html[data-ready]")
    return page


def show(page: Page, picture: Path) -> None:
    """Choose a picture, and wait until all that is said of it is there."""
    page.set_input_files("#file", picture)
    settle(page)


def settle(page: Page) -> None:
    predicted(page)
    for place in ("#heat-map", "#ten li", "#maps-tiles canvas"):
        expect(page.locator(place).first).to_be_visible(timeout=WAIT_MS)
    page.wait_for_selector("#heat:not(.dim)")


def predicted(page: Page) -> None:
    expect(page.locator("#bars li").first).to_be_visible(timeout=WAIT_MS)


def bars(page: Page) -> list[tuple[str, str]]:
    rows = page.locator("#bars li").all()
    return [(row.locator(".name").inner_text(), row.locator(".share").inner_text()) for row in rows]


def as_shown(top: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(guess["label"], f"{100 * guess['prob']:.1f} %") for guess in top]


def test_bars_say_what_the_api_answers(cat: Page, port: int) -> None:
    (answer,) = post(port, "/v1/predict", CAT.read_bytes())[1]
    assert bars(cat) == as_shown(answer["top"])
    widths = cat.eval_on_selector_all(
        "#bars .fill", "fills => fills.map(each => each.offsetWidth / each.parentElement.offsetWidth)"
    )
    assert widths == pytest.approx([guess["prob"] for guess in answer["top"]], abs=0.01)
    assert answer["top"][0]["label"] in cat.locator("#said").inner_text()


def test_ten_views_are_shown_and_averaged(page: Page, port: int) -> None:
    show(page, CUP)
    page.get_by_label("ten views, averaged").check()
    (answer,) = post(port, "/v1/predict", CUP.read_bytes(), views=10)[1]
    expect(page.locator("#bars .share").first).to_have_text(as_shown(answer["top"])[0][1])
    assert bars(page) == as_shown(answer["top"])
    views = post(port, "/v1/explain", CUP.read_bytes(), kind="views")[1]["views"]
    labels = page.locator("#ten .name").all_inner_texts()
    assert labels == [view["top"][0]["label"] for view in views]


def test_heat_lies_over_the_picture_for_the_class_that_is_chosen(cat: Page, port: int) -> None:
    first = post(port, "/v1/explain", CAT.read_bytes())[1]
    assert hottest(cat) == (first["hottest"]["x"], first["hottest"]["y"])
    cat.select_option("#target", label="goldfish")
    expect(cat.locator("#heat-said")).to_contain_text("goldfish", timeout=WAIT_MS)
    second = post(port, "/v1/explain", CAT.read_bytes(), **{"class": "goldfish"})[1]
    assert hottest(cat) == (second["hottest"]["x"], second["hottest"]["y"])
    cat.locator("#opacity").fill("20")
    assert cat.locator("#heat-map").evaluate("each => each.style.opacity") == "0.2"
    boxes = [cat.locator(place).bounding_box() for place in ("#view", "#heat-map")]
    assert boxes[0] == boxes[1]


def hottest(page: Page) -> tuple[int, int]:
    """Where the heat map that is shown is brightest; of equal places the first."""
    x, y = page.locator("#heat-map").evaluate(
        """canvas => {
            const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let best = 0;
            const warmth = (at) => data[at] + data[at + 1];
            for (let at = 0; at < data.length; at += 4) if (warmth(at) > warmth(best)) best = at;
            return [(best / 4) % width, Math.floor(best / 4 / width)];
        }"""
    )
    return x, y


def test_a_heat_map_that_fails_leaves_the_picture_and_says_why(page: Page, heard: Heard) -> None:
    show(page, CUP)
    page.locator("#target option").first.evaluate("each => each.value = 200")  # a class too many
    page.select_option("#target", index=0)
    page.locator("#target").dispatch_event("change")
    expect(page.get_by_role("alert")).to_contain_text("below 200")
    expect(page.locator("#heat-map")).to_be_hidden()
    expect(page.locator("#view")).to_be_visible()
    page.select_option("#target", label="goldfish")
    expect(page.locator("#heat-map")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("alert")).to_be_empty()
    heard.complaints[:] = [each for each in heard.complaints if "422" not in each]  # the browser's own line


def test_what_browsers_cannot_show_is_shown_by_the_server(page: Page, tmp_path: Path) -> None:
    Image.open(CAT).save(tmp_path / "cat.tiff")
    show(page, tmp_path / "cat.tiff")
    assert page.locator("#view").evaluate("each => each.naturalWidth") == 227


@pytest.mark.slow  # 144 patches
def test_a_gray_patch_is_another_method(page: Page) -> None:
    show(page, CUP)
    page.get_by_label("a gray patch (slower)").check()
    expect(page.locator("#heat-said")).to_contain_text("gray patch", timeout=WAIT_MS)


def test_what_is_no_picture_is_said_in_words_beside_the_input(page: Page, tmp_path: Path, heard: Heard) -> None:
    show(page, CAT)
    (tmp_path / "broken.jpg").write_bytes(CAT.read_bytes()[:500])
    page.set_input_files("#file", tmp_path / "broken.jpg")
    expect(page.get_by_role("alert")).not_to_be_empty(timeout=WAIT_MS)
    said = page.get_by_role("alert").inner_text()
    assert said.startswith("Cannot be decoded") and said.endswith("Choose another.")
    expect(page.locator("#answers")).to_be_hidden()  # no answers of the last picture beside the mistake of this one
    page.locator("#language").click()
    expect(page.get_by_role("alert")).to_contain_text("不是图片")
    (tmp_path / "text.txt").write_text("not a picture")
    page.set_input_files("#file", tmp_path / "text.txt")
    expect(page.get_by_role("alert")).to_contain_text("JPEG")
    show(page, CUP)
    expect(page.get_by_role("alert")).to_be_empty()
    heard.complaints[:] = [each for each in heard.complaints if "422" not in each]  # the browser's own line


def test_a_server_that_is_gone_is_said(page: Page, browser: Browser, classifier: Classifier, heard: Heard) -> None:
    with running(application(classifier)) as port:
        other = opened(browser.new_context(locale="en-GB"), port, Heard())
    other.set_input_files("#file", CAT)
    expect(other.get_by_role("alert")).to_contain_text("does not answer")
    other.context.close()


def test_a_busy_server_is_waited_for(browser: Browser, classifier: Classifier) -> None:
    limits = Limits(jobs=1)
    with running(application(classifier, limits), limits) as port:
        context = browser.new_context(locale="en-GB")
        page = opened(context, port, Heard())
        refused = []
        page.on("response", lambda answer: refused.append(answer) if answer.status == 503 else None)
        show(page, CAT)
        assert refused
        expect(page.get_by_role("alert")).to_be_empty()
        context.close()


def test_a_walk_through_the_layers_shows_their_maps(cat: Page, port: int, classifier: Classifier) -> None:
    cat.locator("#step-conv1").click()
    titles, counts = [], []
    for _ in range(8):
        title = cat.locator("#step-title").inner_text()
        expect(cat.locator("#maps-tiles canvas").first).to_be_visible()
        cat.wait_for_timeout(150)
        titles.append(title)
        counts.append(cat.locator("#maps-tiles canvas").count())
        if cat.locator("#next").is_enabled():
            cat.locator("#next").click()
    assert titles == [
        "conv1: 96 × 55 × 55", "conv2: 256 × 27 × 27", "conv3: 384 × 13 × 13", "conv4: 384 × 13 × 13",
        "conv5: 256 × 13 × 13", "fc6: 4096", "fc7: 4096", "fc8: 200",
    ]  # fmt: skip
    assert counts == [24] * 5 + [1] * 3


def test_kernels_are_there_before_any_picture(page: Page) -> None:
    images = page.locator("#kernels img").all()
    assert len(images) == 2
    assert all(image.evaluate("each => each.decode().then(() => each.naturalWidth)") > 300 for image in images)


def test_nearest_pictures_come_from_the_index(page: Page) -> None:
    page.set_input_files("#file", CUP)
    expect(page.locator("#near li")).to_have_count(6)
    first = page.locator("#near li").first
    assert first.locator(".faint").inner_text() == "distance 0"  # itself
    assert first.locator("img").evaluate("each => each.decode().then(() => each.naturalWidth)") > 100


def test_the_keyboard_is_enough(page: Page) -> None:
    def to(name: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("name => document.activeElement.matches(name)", name):
                return
        raise AssertionError(f"Tab does not lead to {name}")

    choosers: list[FileChooser] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))  # noqa: PLW0108 playwright marks what it is given
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    to("#file")
    page.keyboard.press("Enter")
    while not choosers:
        page.wait_for_timeout(50)
    choosers[0].set_files(CAT)
    settle(page)
    assert page.evaluate("document.activeElement.id") == "file"  # answers do not take the focus away
    to("input[name=views]")
    page.keyboard.press("ArrowRight")
    assert page.get_by_label("ten views, averaged").is_checked()
    to("#target")
    to("#opacity")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#heat-map").evaluate("each => each.style.opacity") == "0.54"
    to("[role=tab]")
    for key, name in (("ArrowRight", "conv2"), ("End", "fc8"), ("Home", "conv1")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.id") == f"step-{name}"
        expect(page.locator("#step-title")).to_contain_text(name)
    to("#step")  # what the tab shows comes next
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_all_that_can_be_operated_has_a_name(cat: Page) -> None:
    tree = cat.locator("body").aria_snapshot()
    for line in tree.splitlines():
        role = line.strip().removeprefix("- ").split(" ")[0].rstrip(":")
        if role in ("button", "combobox", "slider", "radio", "tab", "link", "img", "tabpanel", "figure", "group"):
            assert '"' in line, line


def test_the_language_follows_the_browser_then_the_choice(browser: Browser, port: int) -> None:
    context = browser.new_context(locale="zh-CN")
    page = opened(context, port, Heard())
    expect(page.locator("#picture-title")).to_have_text("图片")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    show(page, CAT)
    page.locator("#language").click()
    expect(page.locator("#picture-title")).to_have_text("A picture")
    expect(page.locator("#heat-said")).to_contain_text("speaks for")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(page.locator("#picture-title")).to_have_text("A picture")
    context.close()


def test_the_theme_follows_the_system_then_the_choice(browser: Browser, port: int) -> None:
    context = browser.new_context(color_scheme="dark", locale="en-GB")
    page = opened(context, port, Heard())
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(20, 23, 28)"
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.reload()
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    context.close()


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_pictures_are_dropped_and_pasted(page: Page, port: int, way: str) -> None:
    page.evaluate(
        """async ([way, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "cup.jpg", { type: "image/jpeg" }));
            const event = way === "drop"
                ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
            document.querySelector("#drop").dispatchEvent(event);
        }""",
        [way, list(CUP.read_bytes())],
    )
    predicted(page)
    (answer,) = post(port, "/v1/predict", CUP.read_bytes())[1]
    assert bars(page) == as_shown(answer["top"])


def test_the_camera_takes_a_picture(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    page.locator("video").evaluate("each => each.videoWidth || new Promise(done => (each.onloadeddata = done))")
    page.get_by_role("button", name="Take the picture").click()
    predicted(page)
    assert page.evaluate("document.querySelector('video').srcObject") is None  # the camera is off again


def test_examples_are_one_click_away(page: Page, port: int) -> None:
    page.get_by_role("button", name="a rocket").click()
    predicted(page)
    (answer,) = post(port, "/v1/predict", (PHOTOS / "rocket.jpg").read_bytes())[1]
    assert bars(page) == as_shown(answer["top"])


@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "zh")])
def test_it_fits_its_window(browser: Browser, port: int, theme: Any, language: str) -> None:
    locale = {"en": "en-GB", "zh": "zh-CN"}[language]
    context = browser.new_context(color_scheme=theme, locale=locale)
    page = opened(context, port, Heard())
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for picture in (None, CAT):
        if picture:
            show(page, picture)
            expect(page.locator("#near li")).to_have_count(6)
        for width in (1280, 375):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            path = SCREENSHOTS / f"{'cat' if picture else 'empty'}-{width}-{theme}-{language}.png"
            assert Image.open(io.BytesIO(page.screenshot(full_page=True, path=path))).width == width
    context.close()


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [("text", "page", 7), ("text", "card", 7), ("faint", "page", 4.5), ("faint", "card", 4.5), ("accent", "page", 4.5),
     ("on-accent", "accent", 4.5), ("wrong", "page", 4.5), ("edge", "page", 3)],
)  # fmt: skip
def test_colours_stand_apart_in_both_themes(theme: int, front: str, back: str, least: float) -> None:
    colours = {
        name: (light, dark)[theme]
        for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", CSS.read_text())
    }
    bright, dim = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= least


def luminance(colour: str) -> float:
    """As WCAG 2.2 defines it."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_files_of_the_page_name_no_other_host() -> None:
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text, file
        assert not re.search(r"""["'(=]//""", text), file


def test_answers_of_the_page_forbid_all_but_themselves(port: int) -> None:
    for path in ("/", "/static/page.js"):
        status, headers, _ = ask(port, "GET", path)
        policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
        assert status == 200 and policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
        assert policy["style-src"] == policy["connect-src"] == "'self'" and "unsafe" not in json.dumps(policy)
    for path in ("/static/..%2fpage.py", "/static/none.js", "/static/"):
        assert ask(port, "GET", path)[0] == 404
