from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from alexnet.data.augment import MIRROR
from alexnet.data.chance import draws, permutation
from alexnet.data.loader import Skips
from alexnet.data.preprocess import Preprocessing
from alexnet.data.source import open_pictures
from alexnet.data.statistics import measure
from alexnet.data.views import center_view, ten_views
from alexnet.errors import RunError
from alexnet.inference.evaluate import evaluate
from alexnet.lineages import find, vary
from alexnet.train.features import cache_further, cache_pictures, feature_batches, mirrored_pair, score
from alexnet.train.initial import fresh_network
from alexnet.train.job import Job
from alexnet.train.material import Material, open_material
from alexnet.train.recipe import TUNED
from alexnet.train.reporter import SILENT
from alexnet.train.signals import StopWish

CPU = torch.device("cpu")


@pytest.fixture
def material(textures: Path, tmp_path: Path) -> Material:
    return open_material(textures, tmp_path, val_fraction=0.25, seed=0, side=80, fit="short")


@pytest.fixture
def job(material: Material, tmp_path: Path) -> Job:
    lineage = vary(find("tiny"), num_classes=3)
    recipe = replace(TUNED, seed=1)
    preprocessing = Preprocessing.of(lineage.input, measure(material.train))
    net = fresh_network(lineage, recipe).eval()
    labels = material.train.classes
    return Job(tmp_path, recipe, net, CPU, labels, preprocessing, {}, SILENT, StopWish(), "")


def quiet(done: int, total: int) -> None: ...


def center(pictures: Tensor) -> Tensor:
    return center_view(pictures, 67).unsqueeze(1)


def pair(pictures: Tensor) -> Tensor:
    return mirrored_pair(pictures, 67)


def ten(pictures: Tensor) -> Tensor:
    return ten_views(pictures, 67)


def images(material: Material) -> Tensor:
    pictures = np.stack([material.train.read(index) for index in range(len(material.train))])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)


def test_cached_features_are_those_of_the_network(job: Job, material: Material, tmp_path: Path) -> None:
    trunk = job.net.part(upto="pool5")
    found = cache_pictures(tmp_path / "f", material.train, pair, trunk, job, skips=Skips(), progress=quiet)
    with torch.no_grad():
        whole = trunk(job.preprocessing.views(images(material), lambda pictures: center_view(pictures, 67)))
        mirrored = trunk(job.preprocessing.views(images(material), lambda pictures: center_view(pictures, 67).flip(-1)))
    assert found.rows.dtype == np.float32
    np.testing.assert_allclose(found.rows[:, 0], whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.rows[:, 1], mirrored, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.labels, material.train.labels)


def test_features_of_a_later_layer_can_be_made_from_those_of_an_earlier(
    job: Job, material: Material, tmp_path: Path
) -> None:
    early, late = job.net.part(upto="pool5"), job.net.part(upto="fc7")
    earlier = cache_pictures(tmp_path / "a", material.train, pair, early, job, skips=Skips(), progress=quiet)
    direct = cache_pictures(tmp_path / "b", material.train, pair, late, job, skips=Skips(), progress=quiet)
    further = cache_further(tmp_path / "c", earlier, job.net.part(after="pool5", upto="fc7"), CPU, quiet)
    np.testing.assert_allclose(further.rows, direct.rows, rtol=1e-4, atol=1e-5)


def test_a_cache_that_is_whole_is_not_made_again(job: Job, material: Material, tmp_path: Path) -> None:
    trunk = job.net.part(upto="pool5")
    first = cache_pictures(tmp_path / "f", material.train, pair, trunk, job, skips=Skips(), progress=quiet)
    with torch.no_grad():
        job.net.get_parameter("conv1.weight").zero_()
    again = cache_pictures(tmp_path / "f", material.train, pair, trunk, job, skips=Skips(), progress=quiet)
    np.testing.assert_array_equal(first.rows, again.rows)


def test_a_cache_that_was_cut_short_is_made_again(job: Job, material: Material, tmp_path: Path) -> None:
    trunk = job.net.part(upto="pool5")
    first = cache_pictures(tmp_path / "f", material.train, pair, trunk, job, skips=Skips(), progress=quiet)
    expected = first.rows.copy()
    (tmp_path / "f.json").unlink()
    (tmp_path / "f.npy").write_bytes(b"half")
    again = cache_pictures(tmp_path / "f", material.train, pair, trunk, job, skips=Skips(), progress=quiet)
    np.testing.assert_array_equal(again.rows, expected)


@pytest.mark.parametrize(("cut", "views"), [(center, 1), (ten, 10)])
def test_the_score_of_features_is_what_evaluate_finds(
    cut: Callable[[Tensor], Tensor], views: int, job: Job, material: Material, tmp_path: Path
) -> None:
    trunk = job.net.part(upto="fc7")
    cached = cache_pictures(tmp_path / "f", material.val, cut, trunk, job, skips=Skips(), progress=quiet)
    found = score(cached, job.net.part(after="fc7"), CPU, quiet)
    expected = evaluate(job.classifier(), material.val, views=views)
    assert found.top1_error == pytest.approx(expected.top1_error)
    assert found.top5_error is expected.top5_error is None
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)


def test_an_epoch_sees_every_feature_once_and_draws_its_mirror(job: Job, material: Material, tmp_path: Path) -> None:
    trunk = job.net.part(upto="fc7")
    cached = cache_pictures(tmp_path / "f", material.train, pair, trunk, job, skips=Skips(), progress=quiet)
    batches = feature_batches(cached, seed=3, batch_size=8, flip=True, device=CPU)
    seen = [(examples.inputs, examples.labels) for examples in batches(2, 0)]
    order = permutation(3, 2, len(cached))
    view = (draws(3, 2, 0, len(cached), 8)[:, MIRROR] < 0.5).astype(int)
    np.testing.assert_array_equal(torch.cat([inputs for inputs, _ in seen]), cached.rows[order, view])
    np.testing.assert_array_equal(torch.cat([labels for _, labels in seen]), cached.labels[order])
    assert 0 < view.mean() < 1
    rest = torch.cat([examples.inputs for examples in batches(2, 16)])
    assert torch.equal(rest, torch.cat([inputs for inputs, _ in seen])[16:])


def test_without_flips_only_centre_views_are_seen(job: Job, material: Material, tmp_path: Path) -> None:
    trunk = job.net.part(upto="fc7")
    cached = cache_pictures(tmp_path / "f", material.train, pair, trunk, job, skips=Skips(), progress=quiet)
    examples = next(feature_batches(cached, seed=3, batch_size=36, flip=False, device=CPU)(0, 0))
    np.testing.assert_array_equal(examples.inputs, cached.rows[permutation(3, 0, 36), 0])


def test_unreadable_pictures_have_no_features(job: Job, material: Material, tmp_path: Path) -> None:
    lines = (tmp_path / "splits.csv").read_text().splitlines()
    lines.insert(6, f"{tmp_path}/broken.png,stripes0,train")
    (tmp_path / "broken.png").write_text("no picture")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    pictures, skips = open_pictures(tmp_path / "list.csv", None, 80, "short"), Skips()
    trunk = job.net.part(upto="fc7")
    cached = cache_pictures(tmp_path / "f", pictures, pair, trunk, job, skips=skips, progress=quiet)
    assert len(skips) == 1
    np.testing.assert_array_equal(cached.labels, np.delete(pictures.labels, 5))


def test_a_disk_too_small_for_the_features_is_said_before_they_are_made(
    job: Job, material: Material, tmp_path: Path
) -> None:
    class Vast(nn.Module):
        def forward(self, views: Tensor) -> Tensor:
            return torch.zeros(1, 1).expand(len(views), 2**45)

    with pytest.raises(RunError, match=r"features of 36 pictures need .* GiB, and .* GiB are free"):
        cache_pictures(tmp_path / "f", material.train, pair, Vast(), job, skips=Skips(), progress=quiet)
