"""Bars, tables and percentages."""

import io
import sys

import pytest

from alexnet.cli.output import bar, percent, table, write


def test_a_bar_is_as_long_as_its_share() -> None:
    assert (bar(0, 8), bar(0.5, 8), bar(1, 8)) == ("", "█" * 4, "█" * 8)
    assert bar(1 / 16, 8) == "▌"


def test_a_terminal_without_blocks_gets_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))

    assert bar(0.5, 8) == "####"


def test_percent_has_two_decimals() -> None:
    assert percent(0.0383) == "3.83 %"


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    write("[bold]photo[/bold] :cat: [1].jpg")

    assert capsys.readouterr().out == "[bold]photo[/bold] :cat: [1].jpg\n"


def test_rows_in_a_pipe_stay_whole_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    write(table(("name", "count"), [("x" * 100, "1")], right=("count",)))

    header, row = capsys.readouterr().out.splitlines()
    assert row.split() == ["x" * 100, "1"]
    assert "\x1b" not in header
