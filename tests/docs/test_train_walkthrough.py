"""The README's way from keys to a model that can be verified, pasted in order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAY_END_WITH = {"gate admit": 3, "gate plan": 3}
"""What is waiting for approval, or advised provisionally, is no failure."""


def commands(heading: str) -> list[str]:
    """The commands of the first block under a heading of the README."""
    section = (ROOT / "README.md").read_text("utf-8").split(f"## {heading}\n", 1)[1]
    block = _BLOCK.search(section)
    assert block is not None
    return [line[2:].split("  #")[0].strip() for line in block[1].splitlines() if line.startswith("$ ")]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_the_readme_says_can_be_typed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, call in (("gate", "-m gate"), ("python", "")):
        (bin_ / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n')
        (bin_ / name).chmod(0o755)
    typed = [
        *commands("What passes becomes a snapshot"),
        *(each for each in commands("Train on it, and on nothing else") if not each.startswith("pip ")),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATE_")}
    environment |= {
        "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
        "GATE_KEYS": str(tmp_path / "keys"),
        "PYTHONPATH": str(ROOT),
    }
    for command in typed:
        if command.startswith("export "):
            name, value = command.removeprefix("export ").split("=")
            environment[name] = str(tmp_path / value)
            continue
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        expected = next((code for start, code in MAY_END_WITH.items() if command.startswith(start)), 0)
        assert done.returncode == expected, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "<html" in (tmp_path / "run.html").read_text("utf-8")
    assert (tmp_path / "merged" / "model.safetensors").is_file()
