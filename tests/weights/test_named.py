"""Weights by name: which file a name means, what is said when it is not here, and the mean that goes with it."""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alexnet.errors import ShapeMismatch, UnreadableWeights, UsageError
from alexnet.inference import load as load_classifier
from alexnet.lineages import LINEAGES
from alexnet.weights import Weights, load, locate, save
from alexnet.weights.about import about
from alexnet.weights.caches import place_of
from alexnet.weights.export import write_weights
from alexnet.weights.identity import identify
from alexnet.weights.load import is_name
from alexnet.weights.means import read_mean
from alexnet.weights.opened import open_weights
from alexnet.weights.raw import Fact, Raw, RawLayer
from alexnet.weights.registry import FILES, Checksum, KnownFile
from alexnet.weights.structure import expected_layers
from oracles.audit import listening
from oracles.caffe_files import mean_file
from oracles.narrow_nets import assert_same, lively, more_lineages, weights_of


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Caches and a working folder of this test alone, and narrow nets among the lineages."""
    for variable in ("ALEXNET_HOME", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    added = more_lineages()
    LINEAGES.update(added)
    yield tmp_path
    for name in added:
        del LINEAGES[name]


def publish(monkeypatch: pytest.MonkeyPatch, is_told: bool = True) -> KnownFile:
    """A published file that cannot tell its lineage, known as "net" and lying in our cache."""
    file = KnownFile("net", "net.npy", "npy", "narrow-caffenet", "", "https://example.org")
    place_of(file).parent.mkdir(parents=True, exist_ok=True)
    write_weights(weights_of(lively("narrow-caffenet")), place_of(file))
    if is_told:
        file = replace(file, checksum=Checksum("sha1", hashlib.sha1(place_of(file).read_bytes()).hexdigest()))
    monkeypatch.setitem(FILES, file.name, file)
    return file


@pytest.mark.parametrize("is_told", [True, False])
def test_a_registered_name_is_the_file_and_knows_its_lineage(monkeypatch: pytest.MonkeyPatch, is_told: bool) -> None:
    file = publish(monkeypatch, is_told)
    assert locate("net") == place_of(file)
    assert load("net").lineage.name == "narrow-caffenet"
    assert_same(load("net"), lively("narrow-caffenet"))


def test_without_its_name_a_file_is_told_by_its_checksum_or_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(place_of(publish(monkeypatch))).lineage.name == "narrow-caffenet"
    with pytest.raises(UsageError, match="does not say which network it is"):
        load(place_of(publish(monkeypatch, is_told=False)))


def test_what_the_user_says_is_believed_unless_the_checksum_knows_better(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, is_told=False)
    assert load("net", lineage="narrow-bvlc").lineage.name == "narrow-bvlc"
    publish(monkeypatch)
    with pytest.raises(ShapeMismatch, match=r"the checksum of net\.npy says narrow-caffenet"):
        load("net", lineage="narrow-bvlc")


def test_a_registered_name_is_no_demand_on_a_file_that_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a file carries wins over what the registry has."""
    file = replace(publish(monkeypatch, is_told=False), file="net.caffemodel", format="caffemodel")
    monkeypatch.setitem(FILES, "net", file)
    write_weights(weights_of(lively("narrow-bvlc")), place_of(file))
    assert load("net").lineage.name == "narrow-bvlc"


def test_where_the_lineage_is_known_from_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, is_told=False)
    assert open_weights("net").facts["lineage"] == ("narrow-caffenet", "its registered name")
    assert about("net").facts["lineage"] == ("narrow-caffenet", "its registered name")
    assert about("net").open_question == ""
    assert "does not say which network it is" in about(place_of(FILES["net"])).open_question


def test_a_classifier_is_called_by_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch)
    classifier = load_classifier("net", "cpu")
    assert (classifier.source, classifier.lineage.name) == ("net", "narrow-caffenet")


@pytest.mark.parametrize("name", ["bvlc", "caffenet", "torchvision", "places365"])
def test_a_known_file_that_is_not_here_is_not_fetched(name: str, root: Path) -> None:
    says = rf"{name} is known and not on this machine .*`alexnet weights get {name}`"
    with listening() as events, pytest.raises(UsageError, match=says):
        load(name)
    assert not [event for event in events if event.startswith(("socket.", "urllib."))]
    assert not (root / "cache").exists()


def test_a_registered_name_wins_over_what_is_called_the_same_and_says_so(
    monkeypatch: pytest.MonkeyPatch, weights: Weights, root: Path
) -> None:
    file = publish(monkeypatch)
    save(weights, root / "work" / "net")
    notices: list[str] = []
    assert locate("net", notices.append) == place_of(file)
    assert notices == ["net is the published net.npy; what is called net here is not looked at: write ./net"]
    assert load("./net").lineage == weights.lineage
    assert load(Path("net")).lineage == weights.lineage
    assert load(str(root / "work" / "net")).lineage == weights.lineage
    place_of(file).unlink()
    with pytest.raises(UsageError, match="is known and not on this machine"):
        load("net", notice=notices.append)  # and never silently the folder


def test_a_packaged_name_wins_over_a_registered_one(
    monkeypatch: pytest.MonkeyPatch, weights: Weights, root: Path
) -> None:
    publish(monkeypatch)
    save(weights, root / "assets" / "net")
    monkeypatch.setattr(sys.modules["alexnet.weights.load"], "ASSETS", root / "assets")
    assert locate("net") == root / "assets" / "net" / "model.safetensors"


def test_the_name_of_a_file_is_no_registered_name(root: Path) -> None:
    """What a publisher calls a file is a path like any other."""
    assert not is_name("bvlc_alexnet.caffemodel")
    with pytest.raises(UsageError, match="no such file or folder"):
        load("bvlc_alexnet.caffemodel")
    assert all(is_name(name) for name in FILES)
    assert not any(is_name(file.file) for file in FILES.values())


def test_a_slip_of_the_pen_is_answered_with_the_name() -> None:
    with pytest.raises(UsageError, match=r"Did you mean caffenet\?"):
        load("cafenet")


def test_a_known_file_that_is_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    file = publish(monkeypatch)
    place_of(file).write_bytes(place_of(file).read_bytes() + b"!")
    with pytest.raises(UnreadableWeights, match="is not the published"):
        load("net")


def test_a_mean_is_no_network_and_a_network_no_mean(root: Path) -> None:
    with pytest.raises(UsageError, match=r"is a mean image and no network: .*--mean imagenet-mean"):
        load("imagenet-mean")
    with pytest.raises(UsageError, match="bvlc is a file of weights and no mean"):
        read_mean("bvlc")
    with pytest.raises(UsageError, match="weights get imagenet-mean"):
        read_mean("imagenet-mean")


def mean_image(side: int = 80) -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 255, (side, side, 3)).astype(np.float32)


def test_three_numbers_are_a_mean_however_they_are_said() -> None:
    expected = (123.0, 117.0, 104.5)
    for said in ("123,117,104.5", "123, 117, 104.5", " 123 117 104.5 ", (123, 117, 104.5), [123.0, 117.0, 104.5]):
        assert read_mean(said).value == expected
    for said in ("123,117", "123,117,104,1", "a,b,c", "123;117;104"):
        with pytest.raises(UsageError, match="there is no mean"):
            read_mean(said)
    for numbers in ((1.0, 2.0), "300,1,1", "-1,2,3", (float("nan"), 2.0, 3.0)):
        with pytest.raises(UsageError, match=r"expected three numbers of 0\.\.255"):
            read_mean(numbers)
    with pytest.raises(UsageError, match=r"on a scale of 0\.\.1; multiply it by 255"):
        read_mean("0.485,0.456,0.406")


def test_a_mean_takes_the_place_of_the_tables(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    publish(monkeypatch)
    table = load("net").preprocessing
    assert table.mean_image is None
    assert load("net", mean="1,2,3").preprocessing == replace(table, mean=(1.0, 2.0, 3.0))

    image = mean_image()
    (root / "mean.binaryproto").write_bytes(mean_file(image))
    np.save(root / "mean.npy", image[:, :, ::-1].transpose(2, 0, 1))
    for file in (root / "mean.binaryproto", root / "mean.npy"):
        found = load("net", mean=file).preprocessing
        assert np.array_equal(found.mean_image, image)  # type: ignore[arg-type]
        assert found.mean == pytest.approx(image.mean(axis=(0, 1), dtype=np.float64).tolist())
        assert (found.order, found.mean_alignment) == ("BGR", "picture")
    assert load(str(place_of(FILES["net"])), mean=str(root / "mean.npy")).preprocessing.mean_image is not None


def test_a_registered_mean_goes_by_its_name(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    publish(monkeypatch)
    mean = replace(FILES["imagenet-mean"], checksum=None)
    monkeypatch.setitem(FILES, "imagenet-mean", mean)
    np.save(place_of(mean), mean_image()[:, :, ::-1].transpose(2, 0, 1))
    assert np.array_equal(load("net", mean="imagenet-mean").preprocessing.mean_image, mean_image())  # type: ignore[arg-type]


def test_files_of_ours_have_their_own_mean(weights: Weights, root: Path) -> None:
    save(weights, root / "net")
    with pytest.raises(UsageError, match="says itself what is subtracted: leave the mean out"):
        load(root / "net", mean=(10, 20, 30))


def test_three_numbers_win_over_the_mean_image_of_a_foreign_file(root: Path) -> None:
    (root / "net.mat").write_bytes(b"a net")
    raw = Raw(root / "net.mat", "mat", (), facts={"mean_image": Fact(mean_image(), "the file")})
    layers = tuple(
        RawLayer(layer.name, np.broadcast_to(np.float32(0), layer.weight), "OIHW" if len(layer.weight) == 4 else "OI")
        for layer in expected_layers(LINEAGES["tiny"])
    )
    found = identify(replace(raw, layers=layers), "tiny", read_mean("1,2,3")).preprocessing
    assert (found.mean, found.mean_image) == ((1.0, 2.0, 3.0), None)


def test_what_is_no_mean_is_named(root: Path) -> None:
    (root / "mean.txt").write_text("104, 117, 123")
    with pytest.raises(UnreadableWeights, match=r"mean\.txt"):
        read_mean(root / "mean.txt")
    with pytest.raises(UsageError, match=r"there is no mean .*nowhere\.npy"):
        read_mean(root / "nowhere.npy")
