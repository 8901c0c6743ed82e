import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexnet.errors import CheckpointDamaged, RunError
from alexnet.weights import Weights, latest, prune, read_checkpoint, step_folder, write_checkpoint

TENSORS = {"conv1.weight": torch.arange(6.0).reshape(2, 3), "conv1.bias": torch.ones(2)}
MOMENTUM = {"conv1.weight": torch.full((2, 3), 0.5)}
STATE = {"step": 5, "rate": 0.1 + 0.2, "best": float("inf"), "seen": [1, 2, None], "name": "é"}
FILES = ("model.safetensors", "optimizer.safetensors", "state.json")


def write(run: Path, step: int, state: Any = None) -> Path:
    return write_checkpoint(step_folder(run, step), TENSORS, MOMENTUM, state or {"step": step})


def silent(notice: str) -> None:
    raise AssertionError(notice)


def test_a_checkpoint_reads_back_as_it_was_written(tmp_path: Path) -> None:
    found = read_checkpoint(write(tmp_path, 5, STATE))
    assert found.state == STATE
    assert found.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())
    assert torch.equal(found.optimizer_tensors["conv1.weight"], MOMENTUM["conv1.weight"])


def test_a_run_at_its_first_step_has_no_momentum_yet(tmp_path: Path) -> None:
    assert read_checkpoint(write_checkpoint(tmp_path / "step-0", TENSORS, {}, {})).optimizer_tensors == {}


def test_weights_in_a_checkpoint_come_back_without_their_mean_image(weights: Weights, tmp_path: Path) -> None:
    found = read_checkpoint(write_checkpoint(step_folder(tmp_path, 1), weights, {}, {}))
    assert found.tensors.keys() == weights.tensors.keys()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    file=st.sampled_from(FILES),
    where=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    cut=st.booleans(),
)
def test_any_changed_bit_and_any_cut_is_noticed(file: str, where: float, bit: int, cut: bool, tmp_path: Path) -> None:
    folder = write(tmp_path, 5)
    content = bytearray((folder / file).read_bytes())
    place = int(where * (len(content) - 1))  # the last byte of state.json is a line feed, which means nothing
    if cut:
        del content[place:]
    else:
        content[place] ^= 1 << bit
    (folder / file).write_bytes(content)
    try:
        found = read_checkpoint(folder)
    except CheckpointDamaged as error:
        assert str(folder) in str(error)  # noqa: PT017
    else:  # white space between the words of state.json
        assert file == "state.json"
        assert found.state == {"step": 5}


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_damage(file: str, tmp_path: Path) -> None:
    folder = write(tmp_path, 5)
    (folder / file).unlink()
    with pytest.raises(CheckpointDamaged, match="missing"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"files": {}, "state": {}}', '{"files": [], "state_sha256": "", "state": 1}']
)
def test_a_state_of_another_form_is_damage(text: str, tmp_path: Path) -> None:
    folder = write(tmp_path, 5)
    (folder / "state.json").write_text(text)
    with pytest.raises(CheckpointDamaged):
        read_checkpoint(folder)


def test_latest_counts_steps_as_numbers(tmp_path: Path) -> None:
    for step in (9, 100, 20):
        write(tmp_path, step)
    assert latest(tmp_path, silent) == step_folder(tmp_path, 100)


def test_a_run_without_checkpoints_has_no_latest(tmp_path: Path) -> None:
    assert latest(tmp_path, silent) is None
    assert latest(tmp_path / "nowhere", silent) is None


def test_latest_passes_over_damaged_ones_and_names_them(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        write(tmp_path, step)
    (step_folder(tmp_path, 3) / "model.safetensors").write_bytes(b"")
    (step_folder(tmp_path, 2) / "state.json").unlink()
    notices: list[str] = []
    assert latest(tmp_path, notices.append) == step_folder(tmp_path, 1)
    assert [str(step_folder(tmp_path, step)) in notice for step, notice in zip((3, 2), notices, strict=True)] == [
        True
    ] * 2


def test_latest_warns_through_the_log_by_default(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (write(tmp_path, 1) / "state.json").unlink()
    assert latest(tmp_path) is None
    assert "step-1 is damaged" in caplog.text


def test_latest_does_not_see_what_is_half_written(tmp_path: Path) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2).rename(tmp_path / "checkpoints" / "step-2.tmp")
    (tmp_path / "checkpoints" / "notes").mkdir()
    assert latest(tmp_path, silent) == step_folder(tmp_path, 1)


def test_a_step_written_twice_keeps_the_second(tmp_path: Path) -> None:
    write(tmp_path, 4, {"try": 1})
    folder = write(tmp_path, 4, {"try": 2})
    assert read_checkpoint(folder).state == {"try": 2}
    assert [path.name for path in folder.parent.iterdir()] == ["step-4"]


def test_the_only_checkpoint_survives_a_kill_between_the_two_renames_of_its_replacement(tmp_path: Path) -> None:
    folder = write(tmp_path, 4, {"try": 1})
    folder.rename(folder.with_name("step-4.old"))
    found = latest(tmp_path, silent)
    assert found is not None
    assert read_checkpoint(found).state == {"try": 1}
    write(tmp_path, 4, {"try": 2})
    assert [path.name for path in folder.parent.iterdir()] == ["step-4"]


def test_prune_keeps_the_newest(tmp_path: Path) -> None:
    for step in (1, 20, 3, 100):
        write(tmp_path, step)
    prune(tmp_path, keep=2)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-100", "step-20"]


def test_leftovers_of_a_killed_writer_are_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-1.tmp").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-1.old.tmp").mkdir()
    write(tmp_path, 2)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-2"]


def test_a_file_in_the_way_is_one_clear_error_and_older_checkpoints_are_unharmed(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("not a folder")
    with pytest.raises(RunError, match="step-1 cannot be written"):
        write(tmp_path, 1)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    write(tmp_path, 1)
    script = f"""
import resource, sys, torch
from pathlib import Path
from alexnet.errors import RunError
from alexnet.weights import write_checkpoint
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_checkpoint(Path({str(step_folder(tmp_path, 2))!r}), {{"w": torch.zeros(5000)}}, {{}}, {{}})
except RunError as error:
    sys.exit(f"RunError: {{error}}")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "RunError" in done.stderr and "cannot be written" in done.stderr, done.stderr
    assert latest(tmp_path, silent) == step_folder(tmp_path, 1)


WRITER = """
import itertools, sys, torch
from pathlib import Path
from alexnet.weights import prune, step_folder, write_checkpoint
run = Path(sys.argv[1])
for number in itertools.count(int(sys.argv[2])):
    tensors = {"w": torch.full((300, 300), float(number))}
    step = number // 2 * 2 + 2  # every step is written twice, the second time over the first
    write_checkpoint(step_folder(run, step), tensors, {"m": torch.full((9,), float(number))}, {"number": number})
    prune(run, keep=2)
    print(number, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_what_it_said_it_wrote(tmp_path: Path) -> None:
    chance = random.Random(0)
    number = 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, str(number)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            said = [int(writer.stdout.readline()) for _ in range(3)]
            time.sleep(chance.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
            said += [int(line) for line in writer.stdout.read().split("\n") if line]
        found = latest(tmp_path, silent)
        assert found is not None
        checkpoint = read_checkpoint(found)
        number = checkpoint.state["number"]
        assert number >= said[-1], f"{said[-1]} was written, {number} was found"
        assert torch.equal(checkpoint.tensors["w"], torch.full((300, 300), float(number)))
        assert torch.equal(checkpoint.optimizer_tensors["m"], torch.full((9,), float(number)))
        number += 1


def test_the_checksums_are_those_of_the_sha256_command(tmp_path: Path) -> None:
    folder = write(tmp_path, 5)
    files = json.loads((folder / "state.json").read_text())["files"]
    for name in FILES[:2]:
        content = (folder / name).read_bytes()
        assert files[name] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
