"""Progress, messages and epochs on stderr."""

import os
import pty
import subprocess
import sys

import pytest

from alexnet.cli.screen import Screen, duration, epoch_line


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_come_every_few_seconds_with_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    screen = Screen(clock=clock)
    for done in range(0, 1001, 10):
        clock.now = done / 50
        screen.progress("reading", done, 1000, "loss 1.2")

    lines = capsys.readouterr().err.splitlines()

    assert lines[0] == "reading: 250 of 1,000 images, 50 images/s, 0:15 left, loss 1.2"
    assert len(lines) == 3


def test_a_quick_task_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(clock=Clock())
    screen.progress("reading", 0, 10)
    screen.progress("reading", 10, 10)

    assert capsys.readouterr().err == ""


def test_other_ranks_show_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    clock = Clock()
    screen = Screen(clock=clock)
    screen.say("hello")
    screen.progress("reading", 0, 10)
    clock.now = 100.0
    screen.progress("reading", 5, 10)

    assert capsys.readouterr().err == ""


def test_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().warn("the loss is stuck")

    assert capsys.readouterr() == ("", "Warning: the loss is stuck\n")


def test_an_epoch_is_one_line() -> None:
    row = {"event": "epoch", "stage": "head", "epoch": 3, "train_loss": 1.2345, "val_loss": 2.0, "top1_error": 0.125,
           "top5_error": None, "images_per_s": 1234.4}  # fmt: skip

    assert epoch_line(row) == "epoch 3 (head): loss 1.234, validation loss 2.000, top-1 error 12.5%, 1,234 images/s"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")])
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_terminal_gets_a_bar_and_no_colour_where_none_is_wanted() -> None:
    script = (
        "from alexnet.cli.screen import Screen\n"
        "with Screen() as screen:\n"
        "    for done in range(0, 101, 10): screen.progress('reading', done, 200)\n"
        "    screen.say('half way')\n"
    )
    reader, terminal = pty.openpty()
    environment = os.environ | {"NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "80"}
    subprocess.run([sys.executable, "-c", script], stderr=terminal, check=True, env=environment, timeout=60)
    os.close(terminal)
    drawn = read_all(reader).decode()

    assert "━" in drawn
    assert "images/s" in drawn
    assert "half way" in drawn
    assert "\x1b[3" not in drawn  # no colour
    assert drawn.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in drawn  # the cursor is back


def read_all(descriptor: int) -> bytes:
    """What a closed terminal was sent."""
    parts = []
    try:
        while part := os.read(descriptor, 4096):
            parts.append(part)
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(descriptor)
    return b"".join(parts)
