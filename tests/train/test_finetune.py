import os
import signal
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from alexnet import weights
from alexnet.data.augment import DRAWS_PER_PICTURE, MIRROR
from alexnet.data.chance import draws, permutation
from alexnet.errors import DataError, Terminated, UsageError
from alexnet.inference.classifier import load
from alexnet.inference.evaluate import evaluate
from alexnet.parallel.scheme import Scheme
from alexnet.train.finetune import finetune, renewed_network
from alexnet.train.job import Job
from alexnet.train.loop import fit
from alexnet.train.material import Material, open_material
from alexnet.train.metrics import read_metrics
from alexnet.train.recipe import TUNED
from alexnet.train.reporter import SILENT, Silent
from alexnet.train.signals import StopWish
from alexnet.train.stage import Examples, Stage, Supply
from alexnet.train.train import train
from alexnet.train.tuner import Tuner


@pytest.fixture(scope="module")
def source(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network that knows three directions of stripes."""
    folder = tmp_path_factory.mktemp("source") / "run"
    train(textures, folder, lineage="tiny", epochs=30, batch_size=8, val_fraction=0.25)
    return folder


def best_tensors(run: Path) -> Mapping[str, Tensor]:
    return load_file(run / "best" / "model.safetensors")


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> list[str]:
    return [name for name in first if torch.equal(first[name], second[name])]


def test_it_learns_classes_that_its_source_did_not_know(source: Path, others: Path, tmp_path: Path) -> None:
    run = finetune(others, tmp_path / "run", weights=str(source))
    assert run.evaluation.top1_error <= 0.25  # chance is 0.75
    classifier = load(run.folder)
    assert classifier.labels == ("stripes0", "stripes1", "stripes2", "stripes3")
    assert [result.label for result in run.evaluation.per_class] == list(classifier.labels)
    assert classifier.preprocessing == load(source).preprocessing
    assert classifier.lineage.name == "tiny"
    assert "alexnet predict" in run.next_steps
    assert (run.folder / "report.html").exists()
    assert not (run.folder / "cache").exists()


def test_frozen_layers_stay_bitwise_as_they_were(source: Path, others: Path, tmp_path: Path) -> None:
    run = finetune(others, tmp_path / "run", weights=str(source), freeze="conv4", epochs=4)
    before, after = best_tensors(source), best_tensors(run.folder)
    kept = {f"conv{n}.{kind}" for n in range(1, 5) for kind in ("weight", "bias")}
    assert {name for name in same(before, after) if name in dict(load(run.folder).model.named_parameters())} == kept


def test_nothing_frozen_trains_all_of_it_without_a_cache(source: Path, others: Path, tmp_path: Path) -> None:
    run = finetune(others, tmp_path / "run", weights=str(source), freeze="none", head_epochs=0, epochs=2)
    names = dict(load(run.folder).model.named_parameters())
    assert not [name for name in same(best_tensors(source), best_tensors(run.folder)) if name in names]
    assert {row["stage"] for row in run.metrics} == {"deeper"}


def test_the_head_alone_has_one_stage(source: Path, others: Path, tmp_path: Path) -> None:
    run = finetune(others, tmp_path / "run", weights=str(source), freeze="fc7", epochs=3)
    assert [(row["stage"], row["epoch"]) for row in run.metrics] == [("head", 1), ("head", 2), ("head", 3)]


def test_skipped_layers_start_anew(source: Path) -> None:
    known = weights.load(source)
    net = renewed_network(known, 3, ("fc6", "fc8"), seed=0)
    state = dict(net.named_parameters())
    unchanged = {name for name in state if torch.equal(state[name], known.tensors[name])}
    assert {name for name in state if name.startswith(("fc6", "fc8"))} == set(state) - unchanged
    assert float(state["fc8.weight"].detach().std()) == pytest.approx(0.05, rel=0.3)  # the table of tiny


def test_the_same_classes_keep_their_head(source: Path, textures: Path, tmp_path: Path) -> None:
    run = finetune(textures, tmp_path / "run", weights=str(source), val_fraction=0.25, epochs=1, lr=1e-6)
    material = open_material(textures, run.folder, 0.25, 0, 80, "short")
    assert run.evaluation.top1_error == evaluate(load(source), material.val).top1_error
    assert {row["stage"] for row in run.metrics} == {"deeper"}


def test_validation_during_training_is_what_evaluate_says(source: Path, others: Path, tmp_path: Path) -> None:
    run = finetune(others, tmp_path / "run", weights=str(source), views=10, epochs=4)
    epochs = [row for row in run.metrics if row["event"] == "epoch"]
    best = min(epochs, key=lambda row: (row["top1_error"], row["val_loss"]))
    assert run.evaluation.views == 10
    assert best["top1_error"] == pytest.approx(run.evaluation.top1_error)
    assert best["val_loss"] == pytest.approx(run.evaluation.loss, rel=1e-4)


class StopIn(Silent):
    """Sends SIGTERM at the first progress of a task."""

    def __init__(self, task: str) -> None:
        self.task = task

    def progress(self, task: str, done: int, total: int, note: str = "") -> None:
        if task.startswith(self.task):
            self.task = "never again"
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    "task", ["train features", "val features of fc7", "head, epoch 2", "deeper, epoch 1", "validation"]
)
def test_a_run_stopped_anywhere_ends_as_if_it_was_not(task: str, source: Path, others: Path, tmp_path: Path) -> None:
    finetune(others, tmp_path / "whole", weights=str(source), epochs=4)
    with pytest.raises(Terminated, match=f"alexnet finetune {others} -o {tmp_path}/run --resume"):
        finetune(others, tmp_path / "run", weights=str(source), epochs=4, reporter=StopIn(task))
    run = finetune(others, tmp_path / "run", resume=True)
    whole = best_tensors(tmp_path / "whole")
    assert len(same(whole, best_tensors(run.folder))) == len(whole)
    assert len(read_metrics(run.folder)) == len(read_metrics(tmp_path / "whole"))


class OnPictures(nn.Module):
    """The trunk as it is, then the layers that learn: what the cache saves computing."""

    def __init__(self, trunk: nn.Module, layers: nn.Module) -> None:
        super().__init__()
        self.frozen = [trunk]  # in a list, so that `train` does not reach it
        self.layers = layers

    def forward(self, views: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.frozen[0](views)
        logits: Tensor = self.layers(features)
        return logits


def test_a_head_learns_the_same_from_cached_features_and_from_pictures(
    source: Path, others: Path, tmp_path: Path
) -> None:
    known = weights.load(source)
    recipe = replace(TUNED, epochs=3, head_epochs=3, batch_size=8, freeze="fc7", seed=5)

    def job(name: str) -> tuple[Job, Material]:
        (tmp_path / name).mkdir()
        material = open_material(others, tmp_path / name, 0.2, 0, 80, "short")
        net = renewed_network(known, 4, ("fc8",), seed=5)
        labels = material.train.classes
        device = torch.device("cpu")
        return Job(
            tmp_path / name, recipe, net, device, labels, known.preprocessing, {}, SILENT, StopWish(), ""
        ), material

    cached, material = job("cached")
    fit(cached, Tuner(cached, material, None, ("fc8",), ()).plan())

    direct, material = job("direct")
    pictures = np.stack([material.train.read(index) for index in range(len(material.train))])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    center = direct.preprocessing.views(images, lambda square: square[..., 6:73, 6:73])
    mirror = direct.preprocessing.views(images, lambda square: square[..., 6:73, 6:73].flip(-1))

    def batches(epoch: int, start: int) -> Generator[Examples, None, None]:
        order = permutation(5, epoch, len(images))
        is_mirrored = draws(5, epoch, 0, len(images), DRAWS_PER_PICTURE)[:, MIRROR] < 0.5
        for first in range(0, len(order), 8):
            chosen, flips = order[first : first + 8], torch.from_numpy(is_mirrored[first : first + 8])
            views = torch.where(flips.view(-1, 1, 1, 1), mirror[chosen], center[chosen])
            labels = torch.from_numpy(material.train.labels[chosen].astype(np.int64))
            yield Examples.all(views, labels, first + len(chosen))

    plan = Tuner(direct, material, None, ("fc8",), ()).plan()
    stage = plan[0]()
    module = OnPictures(direct.net.part(upto="fc7").eval(), stage.scheme.module)
    supply = Supply(len(images), batches, stage.supply.validate)
    scheme = Scheme(direct.net, module, stage.scheme.parameters)
    fit(direct, [lambda: Stage("head", 3, scheme, frozenset(), supply)])

    torch.testing.assert_close(cached.net.state_dict(), direct.net.state_dict(), rtol=1e-4, atol=1e-6)


def test_a_folder_of_one_class_is_refused(source: Path, others: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "stripes0").symlink_to(others / "stripes0")
    with pytest.raises(DataError, match="one class only"):
        finetune(tmp_path / "one", tmp_path / "run", weights=str(source))


def test_a_mistake_leaves_no_run_behind(source: Path, others: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such layer here"):
        finetune(others, tmp_path / "run", weights=str(source), freeze="conv9")
    run = finetune(others, tmp_path / "run", weights=str(source), freeze="fc7", epochs=1)
    assert run.best.is_dir()


def test_without_an_output_the_run_is_named_for_the_data(
    source: Path, others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert finetune(others, weights=str(source), freeze="fc7", epochs=1).folder == Path("runs/others")
    assert finetune(others, weights=str(source), freeze="fc7", epochs=1).folder == Path("runs/others-2")
