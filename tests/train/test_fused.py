"""Training through the fused step and the GPU's own data path gives the losses of the plain one."""

import shutil
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alexnet.data.loader import Skips
from alexnet.data.prepare import prepare
from alexnet.data.source import open_pictures
from alexnet.errors import UsageError
from alexnet.model import AlexNet
from alexnet.train import device_pictures, engine, train
from alexnet.train.device_pictures import Resident, Streamed, depth_of_ring
from alexnet.train.metrics import read_metrics

SETTINGS: dict[str, Any] = {
    "lineage": "tiny",
    "batch_size": 8,
    "epochs": 2,
    "val_fraction": 0.25,
    "log_steps": 1,
    "dropout": False,
}


def losses(data: Path, folder: Path, **settings: Any) -> list[float]:
    train.train(data, folder, **{**SETTINGS, **settings})
    return [row["train_loss"] for row in read_metrics(folder) if row["event"] == "step"]


def test_bfloat16_without_kernels_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there are kernels here")
    with pytest.raises(UsageError, match=r"precision is bfloat16.*no CUDA device"):
        engine.engine(AlexNet("tiny"), "bfloat16")
    net = AlexNet("tiny")
    assert engine.engine(net, "auto") is net


@pytest.mark.gpu
def test_fused_steps_follow_the_plain_ones(textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fused = losses(textures, tmp_path / "fused", precision="float32")
    low = losses(textures, tmp_path / "low", precision="bfloat16")
    monkeypatch.setattr(train, "engine", lambda net, precision: net)
    with torch.backends.cudnn.flags(allow_tf32=False):
        plain = losses(textures, tmp_path / "plain")
    assert len(plain) == len(fused) >= 10
    np.testing.assert_allclose(fused, plain, rtol=0.02)
    np.testing.assert_allclose(low, plain, rtol=0.1)


@pytest.mark.gpu
def test_a_stream_of_pictures_gives_the_losses_of_resident_ones(
    textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(textures, tmp_path / "raw", format="raw", size=80, val_fraction=0.25)
    resident = losses(tmp_path / "raw", tmp_path / "resident", precision="float32")
    monkeypatch.setattr(device_pictures, "RESIDENT_SHARE", 0.0)
    streamed = losses(tmp_path / "raw", tmp_path / "streamed", precision="float32")
    np.testing.assert_allclose(streamed, resident, rtol=0.01)


@pytest.mark.gpu
def test_batches_on_the_gpu_hold_the_pictures_of_the_order(textures: Path) -> None:
    pictures = open_pictures(textures, None, 24, "short")
    order = np.random.default_rng(0).permutation(len(pictures))
    device = torch.device("cuda")
    sources = Resident(pictures, device, 2, Skips(), lambda done, total: None), Streamed(pictures, device, 2, Skips())
    for source in sources:
        seen = 4
        for batch in source.picked(order, 4, 4):
            indices = order[batch.positions]
            assert batch.start == seen
            found = batch.pictures[torch.from_numpy(batch.rows).to(device), ..., :3].cpu().numpy()
            np.testing.assert_array_equal(found, np.stack([pictures.read(int(index)) for index in indices]))
            np.testing.assert_array_equal(batch.labels, pictures.labels[indices])
            seen += len(indices)
        assert seen == len(order)


def test_a_ring_is_deep_for_small_batches_and_never_shallow() -> None:
    assert depth_of_ring(256, 64) == depth_of_ring(1024, 64) == 8
    assert depth_of_ring(256, 256) == 8
    assert depth_of_ring(1024, 256) == 3


@pytest.mark.gpu
def test_an_epoch_left_early_does_not_disturb_the_next(textures: Path) -> None:
    pictures = open_pictures(textures, None, 24, "short")
    device, order = torch.device("cuda"), np.arange(len(pictures))
    source = Streamed(pictures, device, 2, Skips())
    for stop in (1, 2, 5, len(order)):
        with closing(source.picked(order, 4, 0)) as stream:
            for batch in islice(stream, stop):
                found = batch.pictures[..., :3].cpu().numpy()
                np.testing.assert_array_equal(found, np.stack([pictures.read(int(at)) for at in batch.positions]))


@pytest.mark.gpu
def test_a_picture_that_cannot_be_read_is_passed_over(textures: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(textures, tmp_path / "textures")
    source = open_pictures(copied, None, 24, "short")
    min(copied.rglob("*.png")).write_bytes(b"no picture")
    skips = Skips()
    resident = Resident(source, torch.device("cuda"), 2, skips, lambda done, total: None)
    count = sum(len(batch.rows) for batch in resident.picked(np.arange(len(source)), 4, 0))
    assert len(skips) == 1 and count == len(source) - 1
