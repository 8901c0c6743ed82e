import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet.errors import ShapeMismatch, UnreadableWeights, UsageError
from alexnet.lineages import find
from alexnet.weights import identity
from alexnet.weights.conventions import convention
from alexnet.weights.identity import identify
from alexnet.weights.raw import Fact, Raw, RawLayer
from alexnet.weights.registry import FILES, Checksum, KnownFile
from alexnet.weights.structure import expected_layers


def raw_of(path: Path, name: str, **changes: Any) -> Raw:
    """A file of the right shapes, without memory."""
    layers = tuple(
        RawLayer(layer.name, np.broadcast_to(np.float32(0), layer.weight), "OIHW" if len(layer.weight) == 4 else "OI")
        for layer in expected_layers(find(name))
    )
    return replace(Raw(path, "npy", layers), **changes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "net.npy").write_bytes(b"a file of weights")
    return tmp_path / "net.npy"


def test_a_file_that_cannot_tell_is_asked_about(file: Path) -> None:
    with pytest.raises(
        UsageError, match=r"paper, chm, bvlc, caffenet, theano have weights of the same shapes.*--lineage paper or"
    ):
        identify(raw_of(file, "bvlc"))


def test_what_files_of_a_kind_are_known_to_hold_narrows_the_choice(file: Path) -> None:
    found = identify(raw_of(file, "torchvision", lineages=("torchvision",)))
    assert found.facts["lineage"] == ("torchvision", "the shapes of the weights, and what npy files hold")
    assert identify(raw_of(file, "ungrouped")).facts["lineage"] == ("ungrouped", "the shapes of the weights")


def test_a_checksum_tells_what_the_shapes_cannot(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    copy = KnownFile("copy", "bvlc_alexnet.npy", "npy", "bvlc", "", "", Checksum("sha256", digest[:8]))
    monkeypatch.setitem(FILES, "copy", copy)
    found = identify(raw_of(file, "bvlc"))
    assert found.lineage == find("bvlc")
    assert found.facts["lineage"].source == "the checksum of bvlc_alexnet.npy"
    with pytest.raises(
        ShapeMismatch, match=r"not of lineage caffenet: the checksum of bvlc_alexnet\.npy says bvlc: behind"
    ):
        identify(raw_of(file, "bvlc"), "caffenet")
    file.write_bytes(b"another file")
    assert identify(raw_of(file, "bvlc"), "caffenet").facts["lineage"] == ("caffenet", "as asked")


def test_a_lineage_of_other_shapes_is_refused_with_the_shapes(file: Path) -> None:
    with pytest.raises(ShapeMismatch, match=r"'conv1' has weights of shape \(96, 3, 11, 11\), and conv1 of tiny \(16"):
        identify(raw_of(file, "bvlc"), "tiny")
    with pytest.raises(UsageError, match="no lineage 'bvcl'"):
        identify(raw_of(file, "bvlc"), "bvcl")


def test_a_network_of_somebody_else_is_compared_with_the_nearest(file: Path) -> None:
    rows = find("bvlc").layers
    without = tuple(row for row in rows if row.name != "pool2")
    with pytest.raises(ShapeMismatch, match=r"LRN .* the file has a 3x3 convolution .*, bvlc has max pooling"):
        identify(raw_of(file, "bvlc", rows=without))
    layers = raw_of(file, "bvlc").layers
    with pytest.raises(ShapeMismatch, match="7 layers with weights"):
        identify(raw_of(file, "bvlc", layers=layers[:-1]))
    with pytest.raises(ShapeMismatch, match="no layers with weights"):
        identify(raw_of(file, "bvlc", layers=()))


def test_what_the_file_says_wins_over_the_table(file: Path) -> None:
    said = {"order": Fact("RGB", "the file"), "size": Fact(224, "the file"), "mean": Fact((1.0, 2.0, 3.0), "the file")}
    found = identify(raw_of(file, "bvlc", facts=said), "bvlc")
    assert (found.preprocessing.order, found.preprocessing.size, found.preprocessing.mean) == (
        "RGB",
        224,
        (1.0, 2.0, 3.0),
    )
    assert found.facts["size"].source == "the file"
    assert found.facts["resize"] == (256, "the lineage's table")
    assert found.facts["classes"] == (1000, "the file")


def test_the_table_of_torchvision_gives_its_means_on_255(file: Path) -> None:
    found = identify(raw_of(file, "torchvision"), "torchvision").preprocessing
    assert found.mean == pytest.approx((123.675, 116.28, 103.53))
    assert found.std == (0.229, 0.224, 0.225)
    assert found.range == 1


def test_a_mean_image_as_asked_gives_its_means_too(file: Path) -> None:
    image = np.arange(3 * 4 * 4, dtype=np.float32).reshape(4, 4, 3)
    found = identify(raw_of(file, "bvlc"), "bvlc", Fact(image, "mean.npy, as asked"))
    assert found.preprocessing.mean == (22.5, 23.5, 24.5)
    assert found.preprocessing.mean_alignment == "picture"
    assert found.to_dict()["mean_image"] == {"value": "an image of 4x4", "source": "mean.npy, as asked"}


@pytest.mark.parametrize(
    "said", [{"order": "GRB"}, {"size": 0}, {"size": "x"}, {"range": 3}, {"mean": (1.0,)}, {"std": (0.0, 1.0, 1.0)}]
)
def test_facts_that_make_no_sense_are_refused(said: dict[str, Any], file: Path) -> None:
    facts = {key: Fact(value, "the file") for key, value in said.items()}
    with pytest.raises((UnreadableWeights, ShapeMismatch)):
        identify(raw_of(file, "bvlc", facts=facts), "bvlc")


def test_trap_1_a_size_of_other_maps_is_refused_and_one_of_the_same_is_not(file: Path) -> None:
    """224 is silently 54, 27, 13, 6 in Caffe, and so it is here; 195 would leave fc6 a map of 5."""
    assert identify(raw_of(file, "bvlc", facts={"size": Fact(224, "the file")}), "bvlc").preprocessing.size == 224
    with pytest.raises(ShapeMismatch, match="asks for pictures of 195x195"):
        identify(raw_of(file, "bvlc", facts={"size": Fact(195, "the file")}), "bvlc")


def test_the_mean_of_imagenet_is_the_specifications() -> None:
    assert identity.IMAGENET_MEAN == (122.67891, 116.66877, 104.00699)


def test_a_convention_of_0_to_255_does_not_part_torchvisions_range_from_its_spread(file: Path) -> None:
    raw = raw_of(file, "torchvision", facts=convention("npy"))
    found = identify(raw, "torchvision").preprocessing
    assert (found.order, found.range, found.std) == ("BGR", 1, (0.229, 0.224, 0.225))
