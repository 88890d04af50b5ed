"""A disk that is full, a file that may not grow, a folder that may not be written to, memory that runs out: a sentence
and the right exit code, nothing half-written, and never a pass."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and mounts as Linux has them")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [{"instruction": f"What stands at number {n}?", "output": f"A {n}-storey house. " * 9} for n in range(1500)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`gate check` on the data, with few rules, which may be bound by a limit of the system."""

    def start(*arguments: object, limit: tuple[int, int] | None = None, stdout: object = None, **variables: object):
        environment = os.environ | {"GATE_CACHE": str(tmp_path / "cache")} | {k: str(v) for k, v in variables.items()}
        command = [sys.executable, "-m", "gate", *map(str, arguments)]
        return subprocess.run(  # type: ignore[call-overload]
            command,
            cwd=ROOT,
            env=environment,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=None if limit is None else lambda: resource.setrlimit(limit[0], (limit[1], limit[1])),
        )

    return start


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


def told(done: subprocess.CompletedProcess[str], code: int) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "bug in gate" not in done.stderr
    assert len(done.stderr.splitlines()) <= 6


FEW = ("--select", "size,exact_duplicates", "-q")


def test_a_full_disk_for_the_cache(data: Path, run: Run, tiny: Path) -> None:
    done = run("check", data, *FEW, GATE_CACHE=tiny / "cache")
    told(done, 2)
    assert "no room" in done.stderr
    assert "--no-cache" in done.stderr
    assert not list(tiny.rglob("*.tmp"))
    assert not list(tiny.rglob("*.json"))


def test_a_full_disk_for_what_is_worked_with(data: Path, run: Run, tiny: Path) -> None:
    done = run("check", data, *FEW, "--no-cache", TMPDIR=tiny)
    told(done, 2)
    assert "no room" in done.stderr
    assert list(tiny.iterdir()) == []


def test_a_full_disk_for_what_comes_through_a_pipe(data: Path, tmp_path: Path, tiny: Path) -> None:
    command = [sys.executable, "-m", "gate", "check", "-", *FEW]
    with (data / "train.jsonl").open("rb") as file:
        environment = os.environ | {"TMPDIR": str(tiny), "GATE_CACHE": str(tmp_path / "cache")}
        done = subprocess.run(
            command, stdin=file, capture_output=True, text=True, cwd=ROOT, check=False, env=environment
        )
    told(done, 2)
    assert "no space left" in done.stderr
    assert list(tiny.iterdir()) == []


def test_a_full_disk_for_a_report_keeps_the_old_one(data: Path, run: Run, tiny: Path) -> None:
    (tiny / "r.html").write_text("the old report")
    (tiny / "ballast").write_bytes(bytes(190_000))
    done = run("check", data, *FEW, "-o", f"html={tiny}/r.html")
    told(done, 4)
    assert "No space left" in done.stderr
    assert (tiny / "r.html").read_text() == "the old report"
    assert {path.name for path in tiny.iterdir()} == {"r.html", "ballast"}


def test_a_full_standard_output(data: Path, run: Run) -> None:
    with Path("/dev/full").open("w") as full:
        told(run("check", data, *FEW, "-o", "json", stdout=full), 4)


def test_a_full_disk_for_what_is_mended(data: Path, run: Run, tiny: Path) -> None:
    (data / "again.jsonl").write_bytes((data / "train.jsonl").read_bytes())
    done = run("fix", data, "--out", tiny / "out", "--select", "exact_duplicates")
    assert done.returncode in (2, 4), done.stderr
    assert "no space left" in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert list(tiny.iterdir()) == []
    assert len((data / "train.jsonl").read_bytes().splitlines()) == 1500


def test_a_file_that_may_not_grow(data: Path, run: Run, tmp_path: Path) -> None:
    """As under a quota: every write beyond 50 kB fails."""
    done = run("check", data, *FEW, limit=(resource.RLIMIT_FSIZE, 50_000))
    told(done, 2)
    assert "too large" in done.stderr
    assert not list((tmp_path / "cache").rglob("*.tmp"))
    assert run("check", data, *FEW).returncode in (0, 3)


@pytest.mark.parametrize("megabytes", [600, 1000, 1500, 2500])
@pytest.mark.slow
def test_memory_that_runs_out_is_never_a_pass(data: Path, run: Run, megabytes: int) -> None:
    (data / "again.jsonl").write_bytes((data / "train.jsonl").read_bytes())  # so that it has to fail
    done = run("check", data, "-q", limit=(resource.RLIMIT_AS, megabytes << 20))
    assert done.returncode != 0
    assert run("check", data, "-q").returncode == 1


@pytest.fixture
def read_only(data: Path, tiny: Path) -> Path:
    """A disk that may not be written to, with the data and a `.gate` on it."""
    with (data / "train.jsonl").open("rb") as file:
        (tiny / "train.jsonl").write_bytes(b"".join(file.readlines()[:300]))
    (tiny / ".gate").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)
    return tiny


@pytest.mark.parametrize("home", ["home", "disk/home"])
def test_a_folder_that_may_not_be_written_to(read_only: Path, run: Run, tmp_path: Path, home: str) -> None:
    """The cache goes elsewhere: to a folder that goes with the run."""
    for path in (read_only, read_only / "train.jsonl"):
        done = run("check", path, *FEW, GATE_CACHE="", XDG_CACHE_HOME=tmp_path / home, HOME=tmp_path / home)
        assert done.returncode in (0, 3), done.stderr
        assert "Traceback" not in done.stderr


def test_a_cache_that_was_filled_and_may_not_be_written_to_any_more(data: Path, run: Run, tiny: Path) -> None:
    (data / "train.jsonl").write_bytes(b"".join((data / "train.jsonl").read_bytes().splitlines(keepends=True)[:50]))
    first = run("check", data, *FEW, GATE_CACHE=tiny / "cache")
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)
    assert run("check", data, *FEW, GATE_CACHE=tiny / "cache").returncode == first.returncode


def test_outputs_to_where_nothing_may_be_written(data: Path, read_only: Path, run: Run) -> None:
    done = run("check", read_only, *FEW, "-o", f"html={read_only}/r.html")
    told(done, 2)
    assert "cannot be written" in done.stderr
    done = run("fix", data, "--out", read_only / "out", "--select", "encoding")
    assert done.returncode in (2, 4), done.stderr
    assert "no permission" in done.stderr
    assert "Traceback" not in done.stderr
