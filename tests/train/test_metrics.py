import csv
import json
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from alexnet.train.metrics import MetricsLog, read_metrics


def row(step: int, **more: object) -> dict[str, object]:
    return {"event": "step", "stage": "train", "epoch": 1, "step": step, "lr": 0.1, "train_loss": 1 / step, **more}


def write(folder: Path, keep: int, *rows: dict[str, object]) -> None:
    log = MetricsLog(folder, keep)
    for one in rows:
        log.append(one)
    log.close()


def test_rows_beyond_the_checkpoint_are_dropped_and_come_again(tmp_path: Path) -> None:
    write(tmp_path, 0, row(1), row(2), row(3))
    write(tmp_path, 1, row(2, stage="again"))
    assert [(one["step"], one["stage"]) for one in read_metrics(tmp_path)] == [(1, "train"), (2, "again")]
    with (tmp_path / "metrics.csv").open(newline="") as file:
        assert [(one["step"], one["stage"]) for one in csv.DictReader(file)] == [("1", "train"), ("2", "again")]


def test_a_line_cut_short_by_a_kill_is_no_obstacle(tmp_path: Path) -> None:
    write(tmp_path, 0, row(1))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"event": "st')
    write(tmp_path, 1, row(2))
    assert [one["step"] for one in read_metrics(tmp_path)] == [1, 2]


def test_figures_come_back_to_the_last_bit(tmp_path: Path) -> None:
    write(tmp_path, 0, row(3))
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["train_loss"] == 1 / 3


def test_tensorboard_gets_the_figures(tmp_path: Path) -> None:
    write(tmp_path, 0, row(1), row(2))
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [event.step for event in events.Scalars("step/train_loss")] == [1, 2]
