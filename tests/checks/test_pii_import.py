"""The blank engine's worker stays small: it imports no framework that it has no use for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from gate.checks.presidio.engine import Setup
from gate.checks.presidio.process import analyze, plan
setup = Setup("blank", None, "en", (("EMAIL_ADDRESS", 0.5), ("PHONE_NUMBER", 0.4)))
plan(setup)
print(analyze(setup, ["write to a.b@northwind-traders.com"], [["EMAIL_ADDRESS"]])[0][0][3])
"""


@pytest.mark.parametrize("framework", ["torch", "transformers"])
def test_it_does_not_import_a_framework_that_is_installed(tmp_path: Path, framework: str) -> None:
    (tmp_path / framework).mkdir()
    (tmp_path / framework / "__init__.py").write_text("print('imported'); raise SystemExit(7)")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "EMAIL_ADDRESS"), done.stderr
