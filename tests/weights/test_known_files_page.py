"""The table of known files in docs/weights.md against the registry, cell by cell."""

from pathlib import Path

import pytest

from alexnet.weights.registry import FILES, KnownFile

PAGE = Path(__file__).resolve().parents[2] / "docs" / "weights.md"
HEADER = "| name | file | network | classes | bytes | checksum | licence | top-1 / top-5 error, % |"


def row_of(file: KnownFile) -> str:
    """The line that the page should have."""
    checksum = "none"
    if file.checksum is not None:
        checksum = f"{file.checksum.algorithm} `{file.checksum.digest}`" + ("" if file.checksum.is_whole else "...")
    errors = "unknown"
    if file.top1_error is not None and file.top5_error is not None:
        errors = f"{100 * file.top1_error:.2f} / {100 * file.top5_error:.2f}"
    cells = (
        f"`{file.name}`", f"[{file.file}]({file.page})", f"`{file.lineage}`" if file.lineage else "",
        f"{file.classes:,}" if file.classes else "", f"{file.size_bytes:,}" if file.size_bytes else "unknown",
        checksum, file.licence or "unknown", errors,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


@pytest.mark.parametrize("name", FILES)
def test_the_page_says_what_the_registry_says(name: str) -> None:
    assert row_of(FILES[name]) in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_page_knows_no_other_files() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(HEADER) + 2
    rows = lines[start : lines.index("", start)]
    assert rows == [row_of(file) for file in FILES.values()]
