"""`gate train` from the lock to the record, the trainer's own process with all its libraries in it, opens no
connection."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_offline import FORBIDDING
from tests.training.made import Approved, additions


@pytest.mark.slow
def test_training_opens_no_connection(seal: Callable[..., Approved], tiny_base: Path, tmp_path: Path) -> None:
    rows = additions(20, 40)
    own = seal(rows[:120], rows[120:140], rows[140:160], name="offline")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        FORBIDDING + f"open({str(tmp_path / 'seen')!r}, 'a').write('x')"
    )
    attempts = tmp_path / "attempts"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    environment |= {
        "PYTHONPATH": str(tmp_path / "site"),
        "GATE_TEST_ATTEMPTS": str(attempts),
        "GATE_KEYS": str(own.people.keys),
        "HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "gate", "train", "--snapshot", own.name, "--base", tiny_base, "--recipe", "lora",
               "--store", own.store.root, "--trust", own.people.trust_file, "--key", "ana", "--launch", "cpu",
               "--set", "max_steps=2", "--set", "samples=1", "--set", "max_new_tokens=4"]  # fmt: skip
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not attempts.exists(), attempts.read_text()
    assert len((tmp_path / "seen").read_text()) >= 3  # gate, the launcher and the trainer were all watched
