import hashlib
import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from alexnet.errors import ShapeMismatch, UnreadableWeights, UsageError, WeightsError
from alexnet.lineages import find
from alexnet.weights import Weights, load, locate, save, step_folder, write_checkpoint

MODEL = "model.safetensors"
LOAD = importlib.import_module("alexnet.weights.load")  # the module: its name in the package is the function


def assert_equal(found: Weights, expected: Weights) -> None:
    assert found.tensors.keys() == expected.tensors.keys()
    for name, tensor in expected.tensors.items():
        assert torch.equal(found.tensors[name], tensor), name
    assert found.lineage == expected.lineage
    assert found.labels == expected.labels
    assert found.preprocessing == expected.preprocessing
    assert found.provenance == expected.provenance


def test_what_was_saved_is_loaded_to_the_last_bit(weights: Weights, tmp_path: Path) -> None:
    folder = save(weights, tmp_path / "net")
    assert_equal(load(folder), weights)
    assert_equal(load(str(folder / MODEL)), weights)


@pytest.mark.parametrize(
    "changes", [{"in_channels": 1}, {"activation": "tanh", "norm": False}, {"groups": False, "overlap": False}]
)
def test_a_varied_lineage_comes_back_with_its_variations(make_weights: Any, changes: Any, tmp_path: Path) -> None:
    weights = make_weights(**changes)
    assert load(save(weights, tmp_path)).lineage == weights.lineage


def test_the_same_weights_are_the_same_bytes_in_every_process(weights: Weights, tmp_path: Path) -> None:
    save(weights, tmp_path / "here")
    copy = "import pathlib, sys; from alexnet.weights import *; save(load(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    digests = {hashlib.sha256((tmp_path / "here" / MODEL).read_bytes()).hexdigest()}
    for place in ("there", "elsewhere"):
        subprocess.run([sys.executable, "-c", copy, tmp_path / "here", tmp_path / place], check=True)
        digests.add(hashlib.sha256((tmp_path / place / MODEL).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_config_says_the_same_as_the_tensors_file(weights: Weights, tmp_path: Path) -> None:
    config = json.loads((save(weights, tmp_path) / "config.json").read_text(encoding="utf-8"))
    assert config["lineage"] == "tiny"
    assert config["changes"] == {"num_classes": 3}
    assert config["labels"] == list(weights.labels)
    assert config["preprocessing"] == weights.preprocessing.to_dict()
    assert config["provenance"] == weights.provenance


def test_the_model_card_is_the_given_one_or_made_from_the_provenance(weights: Weights, tmp_path: Path) -> None:
    card = (save(weights, tmp_path / "made") / "README.md").read_text(encoding="utf-8")
    assert "| Top1 error | 0.25 |" in card
    assert "über\\|fox" in card  # a bar in a label is not a column
    assert (save(weights, tmp_path / "given", "# Mine\n") / "README.md").read_text() == "# Mine\n"


def test_half_precision_on_disk_is_float32_in_memory(weights: Weights, tmp_path: Path) -> None:
    halved = {name: tensor.half() for name, tensor in weights.tensors.items()}
    loaded = load(save(replace(weights, tensors=halved), tmp_path))
    assert all(tensor.dtype == torch.float32 for tensor in loaded.tensors.values())
    assert torch.equal(loaded.tensors["conv1.weight"], halved["conv1.weight"].float())


def test_channels_last_weights_are_saved_as_they_are_read(weights: Weights, tmp_path: Path) -> None:
    turned = weights.tensors | {
        "conv1.weight": weights.tensors["conv1.weight"].contiguous(memory_format=torch.channels_last)
    }
    assert_equal(load(save(replace(weights, tensors=turned), tmp_path)), weights)


def test_saving_over_older_weights_replaces_them_and_leaves_nothing_aside(make_weights: Any, tmp_path: Path) -> None:
    save(make_weights(seed=1), tmp_path)
    save(make_weights(seed=2), tmp_path)
    assert_equal(load(tmp_path), make_weights(seed=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "config.json", MODEL]


def test_a_file_in_the_way_of_the_folder_is_one_clear_error(weights: Weights, tmp_path: Path) -> None:
    (tmp_path / "net").write_text("I was here first")
    with pytest.raises(WeightsError, match="net cannot be written: File exists"):
        save(weights, tmp_path / "net")
    assert (tmp_path / "net").read_text() == "I was here first"


def test_a_lineage_of_the_users_own_cannot_be_saved_as_one_of_ours(weights: Weights, tmp_path: Path) -> None:
    rows = tuple(row for row in weights.lineage.layers if row.name != "norm2")
    with pytest.raises(UsageError, match="its table is not that lineage's"):
        save(replace(weights, lineage=replace(find("tiny"), layers=rows)), tmp_path)


def test_a_run_folder_gives_its_best_weights(make_weights: Any, tmp_path: Path) -> None:
    save(make_weights(seed=1), tmp_path / "best")
    write_checkpoint(step_folder(tmp_path, 7), make_weights(seed=2), {}, {})
    assert_equal(load(tmp_path), make_weights(seed=1))


def test_a_run_without_a_best_gives_its_latest_checkpoint_and_says_so(make_weights: Any, tmp_path: Path) -> None:
    write_checkpoint(step_folder(tmp_path, 7), make_weights(seed=2), {}, {})
    notices: list[str] = []
    assert_equal(load(tmp_path, notice=notices.append), make_weights(seed=2))
    assert notices == [f"{tmp_path} has no best/ yet; its latest checkpoint is loaded: step-7"]


def test_an_empty_folder_says_what_belongs_into_it(tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeights, match=r"holds no weights: neither model\.safetensors"):
        load(tmp_path)


def test_a_name_that_is_nothing_lists_what_can_be_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        load(tmp_path / "nowhere")


def test_the_packaged_default_is_a_whole_network_that_knows_200_classes() -> None:
    found = load()
    assert (found.lineage.name, len(set(found.labels))) == ("bvlc", 200)
    assert found.preprocessing.detail == 64
    assert locate().stat().st_size <= 20e6


def test_a_packaged_name_wins_over_a_folder_and_is_the_default(
    make_weights: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(make_weights(seed=1), tmp_path / "assets" / "small")
    save(make_weights(seed=2), tmp_path / "here" / "small")
    monkeypatch.setattr(LOAD, "ASSETS", tmp_path / "assets")
    monkeypatch.setattr(LOAD, "DEFAULT_WEIGHTS", "small")
    monkeypatch.chdir(tmp_path / "here")
    assert_equal(load("small"), make_weights(seed=1))
    assert_equal(load("./small"), make_weights(seed=2))
    assert locate() == tmp_path / "assets" / "small" / MODEL


def test_a_lineage_that_contradicts_the_file_is_refused(weights: Weights, tmp_path: Path) -> None:
    save(weights, tmp_path)
    assert load(tmp_path, lineage="tiny").lineage == weights.lineage
    with pytest.raises(UsageError, match="of lineage tiny, not bvlc"):
        load(tmp_path, lineage="bvlc")


@pytest.mark.parametrize(
    ("content", "looks_like"),
    [
        (b"", "it is empty"),
        (b"\n<!DOCTYPE html><title>404</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        (b"PK\x03\x04 archive/data.pkl", r"a zip archive, as torch\.save writes"),
        (b"\x93NUMPY\x01\x00", "a NumPy array"),
        (b"\xff" * 100, "damaged, cut short, or of another format"),
    ],
)
def test_what_is_no_file_of_weights_is_named_for_what_it_looks_like(
    content: bytes, looks_like: str, tmp_path: Path
) -> None:
    file = tmp_path / "net.safetensors"
    file.write_bytes(content)
    with pytest.raises(UnreadableWeights, match=looks_like) as caught:
        load(file)
    assert str(file) in str(caught.value)


def test_a_file_cut_short_is_refused_wherever_it_was_cut(weights: Weights, tmp_path: Path) -> None:
    file = save(weights, tmp_path) / MODEL
    whole = file.read_bytes()
    for length in (4, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(UnreadableWeights):
            load(file)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(weights: Weights, tmp_path: Path) -> None:
    file = save(weights, tmp_path) / MODEL
    file.chmod(0)
    with pytest.raises(UnreadableWeights, match="Permission denied"):
        load(file)


def test_safetensors_of_somebody_else_are_read_for_their_tensors_alone(weights: Weights, tmp_path: Path) -> None:
    save_file(weights.tensors, tmp_path / "net.safetensors", {"format": "pt"})
    found = load(tmp_path / "net.safetensors")
    assert found.lineage == weights.lineage  # no other has these shapes
    assert found.labels == ()
    assert torch.equal(found.tensors["fc6.weight"], weights.tensors["fc6.weight"])


def edited(weights: Weights, folder: Path, **changes: Any) -> Path:
    """A file of ours whose description was changed by hand."""
    from alexnet.weights.formats.safetensors import describe

    folder.mkdir(exist_ok=True)
    save_file(weights.tensors, folder / MODEL, {"alexnet": json.dumps(describe(weights) | changes)})
    return folder / MODEL


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 2}, "written in format 2, and this alexnet reads format 1"),
        ({"lineage": "alexnot"}, "no lineage 'alexnot'"),
        ({"changes": {"depth": 9}}, "damaged"),
        ({"preprocessing": {"size": 67}}, "order is missing"),
        ({"labels": None}, "damaged"),
        ({"labels": ["a", "b"]}, "it names 2 classes, but fc8 has 3 outputs"),
    ],
)
def test_a_damaged_description_is_refused(weights: Weights, changes: Any, says: str, tmp_path: Path) -> None:
    file = edited(weights, tmp_path, **changes)
    with pytest.raises(UnreadableWeights, match=says) as caught:
        load(file)
    assert str(file) in str(caught.value)


def test_description_that_is_no_json_is_refused(weights: Weights, tmp_path: Path) -> None:
    save_file(weights.tensors, tmp_path / MODEL, {"alexnet": "{"})
    with pytest.raises(UnreadableWeights, match="damaged"):
        load(tmp_path)


def test_a_head_of_another_width_is_told_apart_from_another_network(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch, match=r"fc8\.weight has shape \(3, 64\), but 5 classes need \(5, 64\).*finetune"):
        load(edited(weights, tmp_path, changes={"num_classes": 5}))
    with pytest.raises(ShapeMismatch, match=r"conv1\.weight has shape \(16, 3, 11, 11\), but lineage tiny needs"):
        load(edited(weights, tmp_path, changes={"num_classes": 3, "in_channels": 1}))
    with pytest.raises(ShapeMismatch, match=r"conv2\.weight has shape \(32, 8, 5, 5\)"):
        load(edited(weights, tmp_path, changes={"num_classes": 3, "groups": False}))


def test_missing_and_foreign_tensors_are_named(weights: Weights, tmp_path: Path) -> None:
    tensors = dict(weights.tensors)
    tensors["fc9.weight"] = tensors.pop("fc6.bias")
    with pytest.raises(ShapeMismatch, match=r"lacks fc6\.bias and has fc9\.weight beyond it"):
        save(replace(weights, tensors=tensors), tmp_path)
    with pytest.raises(ShapeMismatch, match=r"bvlc needs 16 tensors, and the file lacks .* and 12 more"):
        save(replace(weights, tensors={}, lineage=find("bvlc")), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_value_that_is_not_finite_is_found(weights: Weights, value: float, tmp_path: Path) -> None:
    spoilt = weights.tensors["fc7.weight"].clone()
    spoilt[33, 17] = value
    with pytest.raises(UnreadableWeights, match=r"fc7\.weight holds values that are not finite"):
        save(replace(weights, tensors=weights.tensors | {"fc7.weight": spoilt}), tmp_path)


def test_whole_numbers_are_no_weights(weights: Weights, tmp_path: Path) -> None:
    spoilt = weights.tensors | {"fc8.bias": torch.zeros(3, dtype=torch.int64)}
    with pytest.raises(UnreadableWeights, match=r"fc8\.bias holds torch\.int64"):
        save(replace(weights, tensors=spoilt), tmp_path)
