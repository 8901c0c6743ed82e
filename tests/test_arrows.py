"""The rooms import leftward only: read from the sources, not from memory."""

import ast
from pathlib import Path

import alexnet

HOUSE = Path(alexnet.__file__).parent
# Left to right; rooms on one line do not know each other.
ORDER = [
    {"errors"},
    {"lineages"},
    {"data", "model"},
    {"weights", "fast", "parallel"},
    {"inference"},
    {"train"},
    {"reproduce", "serve", "bench"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms that a file imports, at its top or inside a function."""
    modules = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    return {name.split(".")[1] for name in modules if name.startswith("alexnet.")} & set(LEVEL)


def wrong_arrows(files: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(HOUSE)} imports {other}"
        for path in files
        for other in imported_rooms(path) - {room_of(path)}
        if LEVEL[other] >= LEVEL[room_of(path)]
    ]


def test_rooms_import_leftward_only() -> None:
    files = [path for path in HOUSE.rglob("*.py") if room_of(path) in LEVEL]
    assert {room_of(path) for path in files} >= {"errors", "lineages", "data", "model", "weights", "inference", "cli"}
    assert wrong_arrows(files) == []


def test_every_file_lives_in_a_room() -> None:
    strangers = {room_of(path) for path in HOUSE.rglob("*.py")} - set(LEVEL)
    assert strangers <= {"__init__", "__main__"}


def test_an_arrow_to_the_right_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text("def late() -> None:\n    from alexnet.cli import app\n")
    assert imported_rooms(file) == {"cli"}
