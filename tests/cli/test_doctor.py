"""`alexnet doctor`."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alexnet.cli.doctor import EXTRAS
from oracles.compiler import has_compiler

Alexnet = Callable[..., Any]


def test_json_tells_versions_devices_disk_caches_and_extras(alexnet: Alexnet, tmp_path: Path) -> None:
    facts = alexnet("doctor", "--json", env={"ALEXNET_HOME": str(tmp_path)}).document

    assert facts["python"] == sys.version.split()[0]
    assert facts["devices"][-1]["device"] == "cpu"
    assert facts["disk"][0]["free_bytes"] > 0
    assert facts["caches"][0] == {
        "variable": "ALEXNET_HOME", "is_set": True, "folder": str(tmp_path), "exists": True,
    }  # fmt: skip


def test_it_compiles_operators_or_says_why_not(tmp_path: Path) -> None:
    def said(**environment: str) -> str:
        """In a process of its own, since one that has the operator keeps it."""
        command = [sys.executable, "-m", "alexnet", "doctor", "--json"]
        variables = {**os.environ, "ALEXNET_HOME": str(tmp_path), **environment}
        text: str = json.loads(subprocess.check_output(command, env=variables))["cpu"]["operators"]
        return text

    assert "not compiled: " in said(PATH="", CC="")
    assert (said() == "compiled") == has_compiler()
    assert (said(PATH="", CC="") == "compiled") == has_compiler()


def test_a_missing_extra_comes_with_the_line_that_installs_it(alexnet: Alexnet) -> None:
    text = alexnet("doctor").out
    for extra, modules in EXTRAS.items():
        missing = any(find_spec(module) is None for module in modules)

        assert (f"pip install 'alexnet[{extra}]'" in text) == missing


def test_the_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert set(EXTRAS) == set(project["optional-dependencies"])
