"""docs/admit.md does what it says: every block, pasted in order into a shell, ends with the exit code that it names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "admit.md"
_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"# exit code (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """What a person pastes at once."""

    language: str
    text: str

    @property
    def code(self) -> int:
        """Of its last command; all before it succeed."""
        (found,) = _CODE.findall(self.text) or ["0"]
        return int(found)

    @property
    def script(self) -> str:
        return f"python - <<'GATE_WALK'\n{self.text}GATE_WALK\n" if self.language == "python" else self.text


def blocks() -> list[Block]:
    return [Block(*found) for found in _BLOCK.findall(PAGE.read_text("utf-8"))]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a fresh clone has after `make install`: the examples, and a `gate` and a `python` of its own."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name, call in (("gate", "-m gate"), ("python", ""), ("python3", "")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n')
        (commands / name).chmod(0o755)
    (tmp_path / "Makefile").write_text("install:\n\t@true\n")
    return tmp_path


@pytest.mark.timeout(900)
def test_every_block_works_when_pasted_in_order(clone: Path) -> None:
    if shutil.which("bash") is None or shutil.which("make") is None:
        pytest.skip("no bash or make on this machine")
    steps = blocks()
    assert len(steps) > 15
    # Each error of a block's commands is counted, so that only its last one may fail, and only as it says.
    script = "".join(
        f"failed=0\ntrap 'failed=$((failed + 1))' ERR\n{step.script}code=$?\ntrap - ERR\n"
        f'echo "block {number} ended with $code after $failed" >&3\n'
        for number, step in enumerate(steps)
    )
    names = ("GATE_KEYS", "GATE_STORE", "GATE_TRUST", "GATE_KEY", "GATE_KEY_NAME", "GATE_KEY_PASSPHRASE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"HOME": str(clone), "PYTHONPATH": str(ROOT)}
    told = clone / "told"
    done = subprocess.run(
        ["bash", "-c", f"exec 3>'{told}'\n{script}"],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    ended = told.read_text().splitlines()
    wanted = [f"block {number} ended with {step.code} after {int(step.code != 0)}" for number, step in enumerate(steps)]
    assert ended == wanted, done.stderr[-4000:]
    # The figures that the page tells.
    assert "638 admitted" in done.stderr
    assert "19 excluded" in " ".join(done.stderr.split())
    assert "426 train" in done.stdout
    assert not (clone / ".config").exists()


def test_each_exit_code_stands_at_the_last_command_of_its_block() -> None:
    for block in blocks():
        for line in block.text.splitlines()[:-1]:
            assert not _CODE.search(line), line
