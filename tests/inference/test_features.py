import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.errors import DataError, UsageError
from alexnet.inference import Classifier
from alexnet.inference.feature_files import write_features
from alexnet.inference.features import feature_stream
from alexnet.inference.fingerprint import fingerprint
from alexnet.inference.spool import NpyRows
from oracles.classifiers import MEAN, draw, make_classifier, squares


def by_hand(classifier: Classifier, picture: Image.Image, child: str) -> np.ndarray:
    """What one child of the network gives for the centre of a picture, layer after layer."""
    view = squares([picture])[0][6:73, 6:73].astype(np.float32) - np.array(MEAN, np.float32)
    x = torch.from_numpy(view.transpose(2, 0, 1).copy())[None]
    with torch.no_grad():
        for name, module in classifier.model.eval().named_children():
            x = module(x)
            if name == child:
                return np.asarray(x.numpy().ravel())
    raise AssertionError(child)


@pytest.mark.parametrize(
    ("layer", "child"), [("conv1", "relu1"), ("norm2", "norm2"), ("pool5", "pool5"), ("fc7", "relu7"), ("fc8", "fc8")]
)
def test_a_layers_features_are_what_the_layer_gives_behind_its_activation(
    classifier: Classifier, layer: str, child: str
) -> None:
    found = classifier.features([draw(0), draw(1)], [layer])
    for row, seed in zip(found[layer], (0, 1), strict=True):
        np.testing.assert_allclose(row, by_hand(classifier, draw(seed), child), rtol=1e-4, atol=1e-4)
        assert np.ptp(row) > 0


def test_rows_are_in_the_order_of_the_paths(classifier: Classifier, folder: Path) -> None:
    found = classifier.features(folder, ["fc8", "conv5"], batch_size=4)
    assert list(found) == ["fc8", "conv5"]
    assert found["conv5"].shape == (6, 32 * 3 * 3)
    for path, row in zip(found.paths, found["fc8"], strict=True):
        np.testing.assert_allclose(row, by_hand(classifier, draw(int(Path(path).stem)), "fc8"), rtol=1e-4, atol=1e-4)


def test_layers_change_nothing_of_each_other(classifier: Classifier) -> None:
    together = classifier.features(draw(3), ["fc7", "conv1", "fc6"])
    for layer in together:
        assert np.array_equal(together[layer], classifier.features(draw(3), [layer])[layer])


def test_a_network_in_training_mode_drops_nothing_and_stays_in_it(classifier: Classifier) -> None:
    at_rest = classifier.features(draw(0), ["fc7"])["fc7"]
    classifier.model.train()
    assert np.array_equal(classifier.features(draw(0), ["fc7"])["fc7"], at_rest)
    assert all(module.training for module in classifier.model.modules())


def test_what_cannot_be_read_has_no_row_and_is_named(classifier: Classifier, folder: Path) -> None:
    broken = folder / "ant" / "0a.png"
    broken.write_bytes(b"no picture")
    found = classifier.features(folder)
    assert len(found.paths) == len(found["fc7"]) == 6
    assert [each.image for each in found.skipped] == [str(broken)]


@pytest.mark.parametrize("layers", [["fc9"], [], ["fc7", "fc7"]])
def test_layers_that_there_are_not_are_refused_before_a_picture_is_read(
    classifier: Classifier, layers: list[str]
) -> None:
    with pytest.raises(UsageError, match=r"conv1, norm1|name each once"):
        feature_stream(classifier, "nowhere", layers)


def test_every_format_holds_the_same(classifier: Classifier, folder: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    expected = classifier.features(folder, ["fc7"], batch_size=4)
    for suffix in ("npz", "npy", "parquet"):
        written = write_features(classifier, folder, tmp_path / f"f.{suffix}", batch_size=4)
        assert written.pictures == 6
        assert written.layers == {"fc7": 64}
    archive = np.load(tmp_path / "f.npz")
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    beside = json.loads((tmp_path / "f.json").read_text())
    table = parquet.read_table(tmp_path / "f.parquet")
    for rows in (archive["fc7"], mapped, np.array(table["fc7"].to_pylist(), np.float32)):
        assert np.array_equal(rows, expected["fc7"])
    for paths in (archive["paths"].tolist(), beside["paths"], table["path"].to_pylist()):
        assert tuple(paths) == expected.paths
    for about in (json.loads(str(archive["about"])), beside, json.loads(table.schema.metadata[b"alexnet"])):
        assert about["sha256"] == fingerprint(classifier)
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == [
        "f.json", "f.npy", "f.npz", "f.parquet",
    ]  # fmt: skip


def test_several_layers_as_npy_are_a_file_each(classifier: Classifier, folder: Path, tmp_path: Path) -> None:
    written = write_features(classifier, folder, tmp_path / "f.npy", ["pool5", "fc6"], dtype="float16")
    assert [file.name for file in written.files] == ["f.pool5.npy", "f.fc6.npy", "f.json"]
    assert np.load(written.files[0]).dtype == np.float16
    assert np.load(written.files[1], mmap_mode="r").shape == (6, 64)


def test_a_failure_leaves_the_older_file_and_nothing_else(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "f.npz").write_text("older")
    with pytest.raises(DataError, match="none of 1 could be read"):
        write_features(classifier, tmp_path / "nowhere.jpg", tmp_path / "f.npz")
    with pytest.raises(UsageError, match=r"f\.csv names no format"):
        write_features(classifier, draw(0), tmp_path / "f.csv")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("f.npz", "older")]


def test_rows_too_large_for_float16_are_refused(tmp_path: Path) -> None:
    with NpyRows(tmp_path / "fc6.npy", 2, "float16") as rows, pytest.raises(DataError, match="fc6: a feature of 70000"):
        rows.append(np.array([[1.0, 70000.0]], np.float32))


def test_an_array_may_grow_far_beyond_its_first_header(tmp_path: Path) -> None:
    with NpyRows(tmp_path / "a.npy", 1, "float32") as rows:
        for start in range(0, 12345, 1000):
            rows.append(np.arange(start, min(start + 1000, 12345), dtype=np.float32)[:, None])
    assert np.array_equal(np.load(tmp_path / "a.npy").ravel(), np.arange(12345))


def test_the_fingerprint_is_that_of_what_pictures_become() -> None:
    first = fingerprint(make_classifier())
    assert fingerprint(make_classifier(labels=tuple("abcdefg"))) == first
    assert fingerprint(make_classifier(order="BGR")) != first
    other = make_classifier()
    with torch.no_grad():
        other.model.conv1.weight[0, 0, 0, 0] += 1e-3  # type: ignore[union-attr, index, operator]
    assert fingerprint(other) != first
