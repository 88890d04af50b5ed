"""What tests share: the command as a process, and the real datasets where this machine has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import settings as property_tests

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

# Tests share nothing with the runs of the person at this machine, nor with one another's processes.
_CACHE = tempfile.TemporaryDirectory(prefix="gate-test-cache-")
for _name in [name for name in os.environ if name.startswith("GATE_")]:
    del os.environ[_name]  # a person's own trust file, keys or store
os.environ["GATE_CACHE"] = _CACHE.name

Gate = Callable[..., "subprocess.CompletedProcess[str]"]


# How long an example takes says more of the machine than of the code; pytest bounds every test.
property_tests.register_profile("gate", deadline=None)
property_tests.load_profile("gate")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public datasets; the test skips where there is none."""
    if not SHARED.is_dir():
        pytest.skip("the real datasets (shared/data beside the checkout) are not on this machine")
    return SHARED


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Runs `gate` with the given arguments in an empty folder, as a person would."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gate", *map(str, arguments)]
        settings: dict[str, object] = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 240} | options
        return subprocess.run(command, check=False, **settings)  # type: ignore[call-overload,no-any-return]

    return run


def write_jsonl(path: Path, records: Iterable[Mapping[str, object]]) -> Path:
    """A JSONL file of these records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(name="write_jsonl")
def _write_jsonl() -> Callable[[Path, Iterable[Mapping[str, object]]], Path]:
    return write_jsonl
