"""The command starts quickly, because heavy libraries are imported where they are used."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = (
    "polars", "duckdb", "torch", "transformers", "great_expectations", "presidio_analyzer", "spacy", "pandas", "scipy",
    "statsmodels", "lm_eval", "peft", "altair",
)  # fmt: skip


def test_importing_the_command_loads_nothing_heavy() -> None:
    script = f"import gate, gate.cli, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_every_command_module_loads_nothing_heavy() -> None:
    script = (
        "import importlib, sys; from gate.cli import COMMANDS\n"
        "for module, _ in COMMANDS.values(): importlib.import_module(module)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_takes_less_than_150_milliseconds() -> None:
    """The best of several: a busy machine only ever adds time."""
    times = []
    for _ in range(7):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "gate", "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.15


@pytest.mark.parametrize(("typed", "hint"), [("chek", "did you mean 'check'?"), ("zzz", "lists the commands")])
def test_a_mistyped_command_is_told_the_nearest(typed: str, hint: str) -> None:
    run = subprocess.run([sys.executable, "-m", "gate", typed], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert f"no such command {typed!r}" in run.stderr
    assert hint in run.stderr
