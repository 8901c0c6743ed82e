"""Preparing drawn pictures: what is in the set, the same bytes again, and what happens when something goes wrong."""

import fcntl
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alexnet.data.destination import require_room
from alexnet.data.folder import scan
from alexnet.data.plan import listing_sha256
from alexnet.data.prepare import PrepareReport, prepare
from alexnet.data.shards import RawPictures, TarPictures, open_prepared
from alexnet.errors import DataError, TooManyUnreadable, UsageError

SIDE = 16
CLASSES = ("ant", "bee", "cow")
COUNT = 60  # of them 24 in shards of 24, so that a shard is more than one piece of work


def draw(root: Path, count: int = COUNT) -> Path:
    """`count` small PNG pictures in three classes."""
    random = np.random.default_rng(0)
    for number in range(count):
        path = root / CLASSES[number % 3] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 18, 3), dtype=np.uint8)).save(path)
    return root


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("source"))


def make(source: Path, destination: Path, **changes: Any) -> PrepareReport:
    """A set of three shards: 48 training pictures in two, 12 validation pictures in one."""
    return prepare(source, destination, **{"size": SIDE, "val_fraction": 0.2, "shard_pictures": 24, **changes})


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def names(pictures: TarPictures | RawPictures) -> list[str]:
    return [pictures.name(position) for position in range(len(pictures))]


def report_lines(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]


# What is in the set.


def test_every_picture_is_in_one_split_once_with_its_label(source: Path, tmp_path: Path) -> None:
    report = make(source, tmp_path / "set")
    train, val = open_prepared(tmp_path / "set", "train"), open_prepared(tmp_path / "set", "val")
    assert sorted(names(train) + names(val)) == sorted(str(path.relative_to(source)) for path in source.rglob("*.png"))
    for pictures in (train, val):
        for position, label in enumerate(pictures.labels):
            assert pictures.name(position).startswith(CLASSES[label])
    assert report.counts == {"train": (16, 16, 16), "val": (4, 4, 4)}
    assert (report.shards, report.made, report.refused, report.repaired) == (3, 3, 0, 0)


def test_training_pictures_are_mixed_and_validation_pictures_sorted(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "set")
    train, val = open_prepared(tmp_path / "set", "train"), open_prepared(tmp_path / "set", "val")
    assert names(val) == sorted(names(val))
    for start in range(0, len(train), 16):
        assert set(train.labels[start : start + 16].tolist()) == {0, 1, 2}
    make(source, tmp_path / "other", seed=1)
    assert names(open_prepared(tmp_path / "other", "train")) != names(train)


def test_splits_of_the_source_are_kept(tmp_path: Path) -> None:
    draw(tmp_path / "source" / "train", 12)
    draw(tmp_path / "source" / "val", 6)
    report = make(tmp_path / "source", tmp_path / "set", val_fraction=0.5)
    assert report.counts == {"train": (4, 4, 4), "val": (2, 2, 2)}
    assert all(name.startswith("val/") for name in names(open_prepared(tmp_path / "set", "val")))


def test_statistics_are_of_training_pictures_only_and_the_same_for_both_formats(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "raw", format="raw")
    make(source, tmp_path / "jpeg")
    stored = np.concatenate([np.load(path) for path in sorted((tmp_path / "raw").glob("train-?????.npy"))])
    pixels = stored.reshape(-1, 3).astype(np.float64)
    raw, jpeg = (json.loads((tmp_path / name / "dataset.json").read_text()) for name in ("raw", "jpeg"))
    np.testing.assert_allclose(raw["mean"], pixels.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(raw["covariance"], np.cov(pixels, rowvar=False, bias=True), rtol=1e-11)
    assert raw["count"] == 48
    assert {**raw, "format": None, "splits": None} == {**jpeg, "format": None, "splits": None}
    mean = np.load(tmp_path / "raw" / "mean.npy")
    np.testing.assert_array_equal(mean, stored.astype(np.float64).mean(axis=0).astype(np.float32))
    assert (tmp_path / "raw" / "mean.npy").read_bytes() == (tmp_path / "jpeg" / "mean.npy").read_bytes()


def test_the_card_holds_what_was_promised(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "set")
    card = json.loads((tmp_path / "set" / "dataset.json").read_text())
    assert card["classes"] == list(CLASSES)
    assert card["counts"] == {"train": [16, 16, 16], "val": [4, 4, 4]}
    assert (card["format"], card["size"], card["fit"], card["version"]) == ("jpeg", SIDE, "short", 1)
    train = card["splits"]["train"]
    assert [(shard["name"], shard["pictures"]) for shard in train] == [("train-00000.tar", 24), ("train-00001.tar", 24)]
    assert all((tmp_path / "set" / shard["name"]).stat().st_size == shard["bytes"] for shard in train)
    assert np.array(card["eigenvectors"]).shape == (3, 3)


def test_source_sha256_is_the_documented_one(tmp_path: Path) -> None:
    root = draw(tmp_path / "source", 3)
    text = "3\0ant\0bee\0cow\0"
    for label, name in enumerate(("ant/000.png", "bee/001.png", "cow/002.png")):
        text += f"{(root / name).stat().st_size} {label}  {name}\0"
    assert listing_sha256(scan(root)) == hashlib.sha256(text.encode()).hexdigest()


def test_warped_and_cut_squares_differ(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "short", format="raw")
    make(source, tmp_path / "warp", format="raw", fit="warp")
    with Image.open(source / open_prepared(tmp_path / "warp", "val").name(0)) as opened:
        warped = np.asarray(opened.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(open_prepared(tmp_path / "warp", "val").read(0), warped)
    assert (open_prepared(tmp_path / "short", "val").read(0) != warped).any()


def test_progress_counts_every_picture(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    make(source, tmp_path / "set", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (COUNT, COUNT) and seen == sorted(seen)
    assert {total for _, total in seen} == {COUNT}


# The same bytes again.


@pytest.mark.parametrize("format", ["jpeg", "raw"])
def test_bytes_do_not_depend_on_the_number_of_threads(source: Path, tmp_path: Path, format: str) -> None:
    make(source, tmp_path / "one", format=format, workers=1)
    make(source, tmp_path / "four", format=format, workers=4)
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "four")
    assert len(one) == 3 + 2 * 3 and not (tmp_path / "one" / ".preparing").exists()


def test_a_finished_set_is_left_alone(source: Path, tmp_path: Path) -> None:
    first = make(source, tmp_path / "set")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").iterdir()}
    again = make(source, tmp_path / "set")
    assert again.made == 0 and again.counts == first.counts and again.shards == first.shards
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "set").iterdir()} == times


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from alexnet.data.prepare import prepare

source, root = Path(sys.argv[1]), Path(sys.argv[2])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_at_step(step):
    "Just before a file gets its name, or before the work folder goes."
    steps = iter(range(1000))
    def dying(function):
        return lambda *arguments: die() if next(steps) == step else function(*arguments)
    Path.replace, shutil.rmtree = dying(Path.replace), dying(shutil.rmtree)
    prepare(source, root / f"step{step}", size=16, val_fraction=0.2, shard_pictures=50)

def die_after(pictures):
    "In the middle of a shard, in the same folder each time."
    settings = dict(format="raw", size=16, val_fraction=0.2, shard_pictures=24, workers=2)
    prepare(source, root / "again", **settings, progress=lambda done, total: done >= pictures and die())

def killed(work, *arguments):
    child = os.fork()
    if not child:
        work(*arguments)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

steps = 0
while killed(die_at_step, steps):
    steps += 1
deaths = sum(killed(die_after, pictures) for pictures in range(5, 75, 7))
print(steps, deaths)
"""


def test_killed_at_any_moment_a_second_call_makes_the_same_bytes(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(source), str(tmp_path)]
    steps, deaths = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert steps == 1 + 2 * 4 + 3 + 1, "plan; shard, index, sums and record, twice; report, mean, card; tidying"
    assert deaths == 8, "the ninth and the tenth call were not to be killed before the end"
    make(source, tmp_path / "undisturbed", shard_pictures=50)
    for step in range(steps):
        make(source, tmp_path / f"step{step}", shard_pictures=50)
        assert contents(tmp_path / f"step{step}") == contents(tmp_path / "undisturbed"), step
    make(source, tmp_path / "undisturbed raw", format="raw")
    assert contents(tmp_path / "again") == contents(tmp_path / "undisturbed raw")


def test_a_second_call_keeps_the_shards_that_are_done(source: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > 30:
            raise Stop

    with pytest.raises(Stop):
        make(source, tmp_path / "set", progress=stop)
    assert sorted(path.name for path in (tmp_path / "set").glob("*.tar*")) == ["train-00000.tar"]
    with pytest.raises(DataError, match="was not finished: run the same"):
        open_prepared(tmp_path / "set", "train")
    made = (tmp_path / "set" / "train-00000.tar").stat().st_mtime_ns
    seen: list[int] = []
    report = make(source, tmp_path / "set", progress=lambda done, total: seen.append(done))
    assert (report.made, report.shards) == (2, 3)
    assert seen[0] == 24 and seen[-1] == COUNT
    assert (tmp_path / "set" / "train-00000.tar").stat().st_mtime_ns == made


def test_a_shard_that_was_cut_short_since_is_made_again(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        make(source, tmp_path / "set", progress=lambda done, total: 1 // (done < 48))
    os.truncate(tmp_path / "set" / "train-00000.tar", 1000)
    make(source, tmp_path / "set")
    make(source, tmp_path / "undisturbed")
    assert contents(tmp_path / "set") == contents(tmp_path / "undisturbed")


def test_a_dry_run_writes_nothing(source: Path, tmp_path: Path) -> None:
    report = make(source, tmp_path / "set", dry_run=True)
    assert not (tmp_path / "set").exists()
    assert report.counts == {"train": (16, 16, 16), "val": (4, 4, 4)} and (report.made, report.shards) == (3, 3)
    make(source, tmp_path / "set")
    assert make(source, tmp_path / "set", dry_run=True).made == 0


# Bad pictures.


def test_refused_pictures_are_named_with_their_reason_and_the_rest_is_made(tmp_path: Path) -> None:
    root = draw(tmp_path / "source")
    (root / "ant" / "003.png").write_bytes(b"")
    (root / "bee" / "001.png").write_bytes((root / "bee" / "004.png").read_bytes()[:200])
    report = make(root, tmp_path / "set", format="raw")
    lines = report_lines(tmp_path / "set")
    assert {(line["image"], line["action"]) for line in lines} == {
        ("ant/003.png", "refused"),
        ("bee/001.png", "refused"),
    }
    assert all(line["image"] in line["why"] and str(tmp_path) not in line["why"] for line in lines)
    assert report.refused == 2 and sum(map(sum, report.counts.values())) == COUNT - 2
    kept = names(open_prepared(tmp_path / "set", None))
    assert len(kept) == COUNT - 2 and not {"ant/003.png", "bee/001.png"} & set(kept)


def test_repaired_pictures_are_named_with_what_was_done(tmp_path: Path) -> None:
    root = draw(tmp_path / "source")
    drawn = Image.open(root / "ant" / "000.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    drawn.save(root / "ant" / "turned.jpg", exif=turned)
    drawn.convert("CMYK").save(root / "ant" / "cmyk.jpg")
    drawn.convert("RGBA").save(root / "ant" / "alpha.png")
    Image.fromarray(np.full((20, 20), 40000, np.uint16)).save(root / "ant" / "deep.png")
    drawn.convert("L").save(root / "ant" / "gray.png")
    report = make(root, tmp_path / "set")
    assert {line["image"]: (line["action"], line["why"]) for line in report_lines(tmp_path / "set")} == {
        "ant/turned.jpg": ("repaired", "turned upright (EXIF orientation 6)"),
        "ant/cmyk.jpg": ("repaired", "converted from CMYK"),
        "ant/alpha.png": ("repaired", "transparency laid on white"),
        "ant/deep.png": ("repaired", "scaled to 8 bits (mode I;16)"),
    }
    assert (report.repaired, report.refused) == (4, 0)
    drawn.close()


def test_more_bad_pictures_than_the_quota_stop_it_and_the_first_are_named(tmp_path: Path) -> None:
    root = draw(tmp_path / "source")
    for path in sorted(root.rglob("*.png"))[:11]:
        path.write_bytes(b"no picture")
    with pytest.raises(
        TooManyUnreadable, match=r"11 of the 60 pictures cannot be read, and the quota is 10"
    ) as stopped:
        make(root, tmp_path / "set")
    assert sum(".png: not a picture" in line for line in str(stopped.value).splitlines()) == 3
    report = make(root, tmp_path / "set", quota=11)
    assert report.refused == 11, "the shards that were done before are counted again, and only once"


def test_pictures_refused_before_an_interruption_count_after_it(tmp_path: Path) -> None:
    root = draw(tmp_path / "source")
    for path in sorted(root.rglob("*.png"))[::6]:
        path.write_bytes(b"no picture")
    with pytest.raises(ZeroDivisionError):
        make(root, tmp_path / "set", progress=lambda done, total: 1 // (done < 48))
    with pytest.raises(TooManyUnreadable):
        make(root, tmp_path / "set", quota=9)
    assert make(root, tmp_path / "set", quota=10).refused == 10


def test_a_source_without_one_good_training_picture_is_an_error(tmp_path: Path) -> None:
    for split, data in (("train", b"no picture"), ("val", None)):
        root = draw(tmp_path / "source" / split, 6)
        for path in root.rglob("*.png") if data else ():
            path.write_bytes(data or b"")
    with pytest.raises(TooManyUnreadable, match="not one training picture"):
        make(tmp_path / "source", tmp_path / "set")


# Sources and destinations.


def test_the_source_is_never_changed(tmp_path: Path) -> None:
    root = draw(tmp_path / "source")
    before = {path: (path.stat().st_mtime_ns, path.is_dir() or path.read_bytes()) for path in root.rglob("*")}
    make(root, tmp_path / "set")
    assert {path: (path.stat().st_mtime_ns, path.is_dir() or path.read_bytes()) for path in root.rglob("*")} == before


@pytest.mark.parametrize("inside", [".", "set", "ant/deep/set", "../source/set"])
def test_a_destination_inside_the_source_is_refused(tmp_path: Path, inside: str) -> None:
    root = draw(tmp_path / "source", 6)
    with pytest.raises(DataError, match="lies in the source"):
        make(root, root / inside)
    assert len(list(root.rglob("*"))) == 3 + 6


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"size": 32}, "size 16, not 32"), ({"seed": 1}, "seed 0, not 1"), ({"format": "raw"}, "format jpeg, not raw")],
)
@pytest.mark.parametrize("is_finished", [True, False])
def test_another_plan_in_the_same_folder_is_refused(
    source: Path, tmp_path: Path, change: dict[str, Any], complaint: str, is_finished: bool
) -> None:
    make(source, tmp_path / "set")
    if not is_finished:
        plan = json.loads((tmp_path / "set" / "dataset.json").read_text())
        (tmp_path / "set" / ".preparing").mkdir()
        (tmp_path / "set" / ".preparing" / "plan.json").write_text(json.dumps(plan))
        (tmp_path / "set" / "dataset.json").unlink()
    before = contents(tmp_path / "set")
    with pytest.raises(DataError, match=complaint):
        make(source, tmp_path / "set", **change)
    assert contents(tmp_path / "set") == before


def test_a_source_that_has_changed_is_another_set(tmp_path: Path) -> None:
    root = draw(tmp_path / "source")
    make(root, tmp_path / "set")
    (root / "ant" / "000.png").rename(root / "ant" / "renamed.png")
    with pytest.raises(DataError, match="other pictures"):
        make(root, tmp_path / "set")


def test_a_folder_with_something_else_in_it_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(DataError, match="no prepared set"):
        make(source, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_another_process_is_filling_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "set" / ".preparing").mkdir(parents=True)
    with (tmp_path / "set" / ".preparing" / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another process"):
            make(source, tmp_path / "set")
    assert make(source, tmp_path / "set").made == 3


def test_a_destination_that_cannot_be_made_is_an_error(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for destination in (tmp_path / "file", tmp_path / "file" / "set"):
        with pytest.raises(DataError, match="cannot be written"):
            make(source, destination)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to let a file of this process grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("format", ["jpeg", "raw"])
def test_a_full_disk_is_said_and_the_same_call_goes_on_when_there_is_room(
    source: Path, tmp_path: Path, format: str
) -> None:
    with files_of_at_most(12_000), pytest.raises(DataError, match="cannot be written"):
        make(source, tmp_path / "set", format=format)
    assert not list((tmp_path / "set").glob("*.tmp")), "nothing half-written takes up room"
    make(source, tmp_path / "set", format=format)
    make(source, tmp_path / "undisturbed", format=format)
    assert contents(tmp_path / "set") == contents(tmp_path / "undisturbed")


def test_raw_shards_that_cannot_fit_are_not_begun(tmp_path: Path) -> None:
    require_room(tmp_path, shutil.disk_usage(tmp_path).free // 2)
    with pytest.raises(DataError, match=r"need 1000000\.0 GB"):
        require_room(tmp_path, 10**15)


@pytest.mark.parametrize(
    "change", [{"format": "png"}, {"fit": "long"}, {"size": 0}, {"shard_pictures": 0}, {"val_fraction": 1.0}]
)
def test_settings_that_do_not_exist_are_refused(source: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(change))):
        make(source, tmp_path / "set", **change)
    assert not (tmp_path / "set").exists()


def test_one_class_is_refused(tmp_path: Path) -> None:
    root = draw(tmp_path / "source", 6)
    for name in CLASSES[1:]:
        shutil.rmtree(root / name)
    with pytest.raises(DataError, match="one class only"):
        make(root, tmp_path / "set")


def test_preparing_does_not_load_torch() -> None:
    code = "import sys, alexnet.data.prepare, alexnet.data.source; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
