"""DeCAF's `.meta`, and Caffe's mean images for MATLAB."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet.errors import UnreadableWeights, UsageError
from alexnet.weights.class_names import read_class_names
from alexnet.weights.means import read_mean
from oracles import python2_pickle

scipy_io = pytest.importorskip("scipy.io")  # a development dependency without types

IMAGE = np.random.default_rng(4).uniform(0, 255, (12, 12, 3)).astype(np.float32)
NAMES = ["tench", "goldfish", "great white shark"]


def meta(folder: Path, **changes: Any) -> Path:
    """The pickle as Python 2 wrote it: planes of the picture turned upside down, in one column."""
    planes = np.stack([IMAGE[::-1, :, channel] for channel in range(3)]).reshape(-1, 1)
    content: dict[str, Any] = {"label_names": NAMES, "data_mean": planes, "num_vis": 3}
    path = folder / "imagenet.decafnet.meta"
    path.write_bytes(python2_pickle.dumps({key.encode(): value for key, value in (content | changes).items()}))
    return path


def test_the_mean_is_turned_upright_and_the_names_are_read(tmp_path: Path) -> None:
    path = meta(tmp_path)
    assert np.array_equal(read_mean(path).value, IMAGE)
    assert read_class_names(path, 3) == tuple(NAMES)
    assert read_class_names(meta(tmp_path, label_names=[name.encode() for name in NAMES]), 3) == tuple(NAMES)
    with pytest.raises(UsageError, match="names 3 classes, but the network has 1000"):
        read_class_names(path, 1000)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data_mean": np.zeros(7)}, "a mean image of 7 values"),
        ({"data_mean": np.zeros(0)}, "a mean image of 0 values"),
        ({"data_mean": "text"}, "without a mean image under data_mean"),
        ({"data_mean": np.full(12, np.nan)}, "not finite"),
    ],
)
def test_what_is_no_mean_is_refused(changes: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeights, match=says):
        read_mean(meta(tmp_path, **changes))


def test_what_is_no_list_of_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeights, match="without names of classes"):
        read_class_names(meta(tmp_path, label_names=7), 3)


def test_a_pickle_that_asks_for_more_is_refused_and_nothing_is_run(tmp_path: Path) -> None:
    (tmp_path / "evil.meta").write_bytes(pickle.dumps({"data_mean": print}, 2))
    for read in (read_mean, lambda path: read_class_names(path, 3)):
        with pytest.raises(UnreadableWeights, match="which is no part of weights"):
            read(tmp_path / "evil.meta")
    (tmp_path / "list.meta").write_bytes(pickle.dumps([1, 2], 2))
    with pytest.raises(UnreadableWeights, match="a pickled list; expected DeCAF's"):
        read_mean(tmp_path / "list.meta")


def test_the_means_of_both_generations_of_matcaffe_are_read(tmp_path: Path) -> None:
    """`places_mean.mat` is of the first: rows, columns, BGR; the second has columns first."""
    blue_first = IMAGE[:, :, ::-1]
    scipy_io.savemat(tmp_path / "places_mean.mat", {"image_mean": blue_first})
    scipy_io.savemat(tmp_path / "mean.mat", {"mean_data": blue_first.transpose(1, 0, 2)}, do_compression=True)
    for name in ("places_mean.mat", "mean.mat"):
        assert np.array_equal(read_mean(tmp_path / name).value, IMAGE)


@pytest.mark.parametrize(
    "variables", [{}, {"image_mean": np.zeros((4, 5, 3))}, {"image_mean": "text"}, {"mean_data": np.zeros((4, 4))}]
)
def test_a_mat_without_a_mean_is_refused(variables: Any, tmp_path: Path) -> None:
    scipy_io.savemat(tmp_path / "net.mat", variables)
    with pytest.raises(UnreadableWeights, match="no variable image_mean"):
        read_mean(tmp_path / "net.mat")
