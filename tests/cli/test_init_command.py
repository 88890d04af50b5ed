"""`gate init` as a person calls it: it explains each file, and `gate check` works right after it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Gate = Callable[..., "subprocess.CompletedProcess[str]"]


def test_check_works_right_after_init(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = [{"prompt": f"What is {n} times {n + 3}?", "completion": f"It is {n * (n + 3)}."} for n in range(5)]
    (tmp_path / "data" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = gate("init", "--kind", "chat")
    assert done.returncode == 0
    for line in (
        "wrote gate.yaml",
        "wrote rules/admission/chat.yaml",
        "wrote .github/workflows/gate.yml",
        "gate check",
    ):
        assert line in done.stderr
    assert gate("check", "--select", "structure").returncode == 0
    again = gate("init", "--kind", "chat")
    assert again.returncode == 0
    assert "wrote" not in again.stderr
    assert "left alone gate.yaml" in again.stderr


def test_a_folder_that_is_not_there_is_said_in_a_sentence(gate: Gate) -> None:
    done = gate("init", "nowhere")
    assert done.returncode == 2
    assert "there is no such folder" in done.stderr
