"""What `gate check` costs when little changed, when there is much, and when all of it is one file.

    python bench/incremental.py changes|growth|one_file [--repeat K] [sizes]

Whole commands (`gate check DATA -q`), each in a fresh process, with the cache in a scratch folder of its own: cold
means that this folder is empty. `changes`: 200,000 rows in 50 files, unchanged; with 1 % of all rows changed, all in
one of the files; and as a pull request of one commit (`--base`). `growth`: 100,000 and 1,000,000 rows, cold.
`one_file`: a single file of 0.2 and of 2 GB, cold. Prints JSON and ends with an error where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.measure import Measured, measure

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = 50
"""48 of chat, one of preferences, one of text."""
CHANGED = "messages-00.jsonl"
GIB = 2**30

Json = dict[str, Any]
"""What a part measured, as it is kept in JSON: `runs`, `targets` and what was `missed`."""


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["changes", "growth", "one_file"])
    parser.add_argument("--rows", type=int, default=200_000, help="of `changes`")
    parser.add_argument("--small", type=int, default=100_000, help="rows of `growth`")
    parser.add_argument("--large", type=int, default=1_000_000, help="rows of `growth`")
    parser.add_argument("--small-mb", type=int, default=200, help="size of `one_file`, in 10⁶ bytes")
    parser.add_argument("--large-mb", type=int, default=2_000, help="size of `one_file`, in 10⁶ bytes")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each kind, of which the least counts")
    asked = parser.parse_args()
    parts: dict[str, Callable[[], Json]] = {
        "changes": lambda: changes(asked.rows, asked.repeat),
        "growth": lambda: growth(asked.small, asked.large, asked.repeat),
        "one_file": lambda: one_file(asked.small_mb, asked.large_mb),
    }
    measured = parts[asked.part]()
    print(json.dumps(measured, indent=1))
    if measured["missed"]:
        sys.exit("\n".join(measured["missed"]))


# What is measured


def changes(rows: int, repeat: int) -> Json:
    """Cold, unchanged, one file changed, and a pull request of one commit, on the same rows."""
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        data = corpus(rows, scratch / "corpus")
        warm = scratch / "warm"
        cold = [gate(data, warm)] + [gate(data, scratch / f"cold-{at}") for at in range(1, repeat)]
        unchanged = [gate(data, warm) for _ in range(repeat)]

        repository = scratch / "repository"
        commit(data, repository, "The dataset")
        changed = []
        for at in range(repeat):  # each run sees a change that no run saw before
            touch(data / CHANGED, rows // 100, f"Changed {at}")
            changed.append(gate(data, warm))
        commit(data, repository, "One per cent of the rows")
        pull, base = repository / "data", ("--base", "HEAD~1")
        whole = [gate(pull, scratch / f"whole-{at}") for at in range(repeat)]
        first = [gate(pull, scratch / f"pull-{at}", *base) for at in range(repeat)]
        again = []
        for at in range(repeat):  # the base was judged before, as on a runner that keeps the cache
            kept = scratch / f"kept-{at}"
            git(repository, "checkout", "-q", "HEAD~1")
            gate(pull, kept)
            git(repository, "checkout", "-q", "-")
            again.append(gate(pull, kept, *base))
    kinds = {
        "cold": cold,
        "unchanged": unchanged,
        "1 % of the rows changed, in one file": changed,
        "the pull request as a whole, cold": whole,
        "`--base`, cold": first,
        "`--base`, the base's features cached": again,
    }
    full, pulled = least(cold), least(whole)
    targets = [
        target(f"{rows:,} rows unchanged: ≤ 1/20 of the cold time", full / least(unchanged), 20, "× quicker"),
        target("1 % of the rows changed, in one of 50 files: ≤ 1/8", full / least(changed), 8, "× quicker"),
    ]
    figures = {
        "`--base`, cold, to the whole": least(first) / pulled,
        "`--base`, cached, to the whole": least(again) / pulled,
    }
    return report(f"{rows:,} rows in {FILES} files", kinds, targets, figures)


def growth(small: int, large: int, repeat: int) -> Json:
    """Two sizes, both cold: seconds per row, and the larger one's time and memory."""
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        kinds: dict[str, list[Measured]] = {}
        for rows, times in ((small, repeat), (large, 1)):
            data = corpus(rows, scratch / str(rows))
            kinds[f"{rows:,} rows"] = [gate(data, scratch / f"cache-{rows}-{at}") for at in range(times)]
            shutil.rmtree(scratch)
            scratch.mkdir()
        few, many = kinds.values()
    per_row = (least(many) / large) / (least(few) / small)
    targets = [
        target(f"{large:,} rows, cold: ≤ 5 min", least(many), -300, " s"),
        target(f"{large:,} rows, cold: ≤ 4 GB over all processes", peak(many) / 1e9, -4, " GB"),
        target(f"time per row, from {small:,} to {large:,} rows: < 1.3×", per_row, -1.3, "×"),
    ]
    return report(f"{small:,} and {large:,} rows in {FILES} files", kinds, targets, {})


def one_file(small: int, large: int) -> Json:
    """A single file of two sizes (10⁶ bytes), both cold: the peaks."""
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        kinds = {}
        for megabytes in (small, large):
            rows = single(scratch / "data" / "rows.jsonl", megabytes * 10**6)
            run = gate(scratch / "data", scratch / f"cache-{megabytes}")
            kinds[f"one file of {megabytes:,} MB, {rows:,} rows"] = [run]
    low, high = (peak(runs) for runs in kinds.values())
    few, many = (least(runs) for runs in kinds.values())
    targets = [target(f"peak memory, one file of {small:,} to {large:,} MB: flat (≤ 1.5×)", high / low, -1.5, "×")]
    return report("one file", kinds, targets, {"time per byte, the larger to the smaller": many / few * small / large})


# How


def gate(data: Path, cache: Path, *options: str) -> Measured:
    """One whole command.

    Raises:
        RuntimeError: nothing was judged.
    """
    command = [sys.executable, "-m", "gate", "check", str(data), "-q", *options]
    apart = {"GATE_CACHE": str(cache), "PYTHONPATH": str(REPOSITORY)}
    run = measure(command, environment=apart, folder=data.parent)
    if run.code not in (0, 1):
        raise RuntimeError(f"gate check ended with {run.code}:\n{run.stderr[-4000:]}")
    return run


def corpus(rows: int, into: Path, *, seed: int = 0, files: int = FILES - 2) -> Path:
    """Generated rows, in a process of their own, whose memory ends with it; returns the folder of the data."""
    script = str(REPOSITORY / "bench" / "corpus.py")
    size = str(min(200, max(10, rows // 100)))
    command = [sys.executable, script, "--rows", str(rows), "--out", str(into), "--files", str(files)]
    subprocess.run([*command, "--seed", str(seed), "--template-size", size], check=True, stdout=subprocess.DEVNULL)
    return into / "data"


def single(path: Path, size: int, step: int = 100_000) -> int:
    """One JSON Lines file of `size` bytes or the line more, put together from corpora of `step` rows with seeds of
    their own; returns its rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    step = min(step, max(100, size // 500))  # rows have some 600 bytes
    written = rows = seed = 0
    with path.open("wb") as out, tempfile.TemporaryDirectory() as folder:
        while written < size:
            data = corpus(step, Path(folder), seed=seed, files=1)
            with (data / CHANGED).open("rb") as lines:
                for line in lines:
                    if written >= size:
                        break
                    written += out.write(line)
                    rows += 1
            seed += 1
    return rows


def touch(path: Path, rows: int, word: str) -> None:
    """Change that many rows of a file of conversations, evenly spread over it: a word more in the last turn."""
    lines = path.read_bytes().splitlines()
    rows = min(rows, len(lines))
    for at in range(rows):  # a row is one JSON object
        where = at * len(lines) // rows
        record = json.loads(lines[where])
        record["messages"][-1]["content"] += f" {word}."
        lines[where] = json.dumps(record, ensure_ascii=False).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")


def commit(data: Path, repository: Path, message: str) -> None:
    """Put the data into the repository as it is now."""
    if not repository.is_dir():
        repository.mkdir()
        git(repository, "init", "-q")
    shutil.copytree(data, repository / "data", dirs_exist_ok=True)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", message)


def git(repository: Path, *arguments: str) -> None:
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false"]
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *who, *arguments], cwd=repository, env=quiet, check=True, stdout=subprocess.DEVNULL)


# What is told


def least(runs: list[Measured]) -> float:
    return min(run.wall for run in runs)


def peak(runs: list[Measured]) -> int:
    return max(run.peak for run in runs)


def target(text: str, value: float, limit: float, unit: str) -> Json:
    """A limit above zero is a floor, one below zero a ceiling. NaN meets neither."""
    met = value >= limit if limit > 0 else value <= -limit
    return {"target": text, "value": round(value, 2), "unit": unit, "met": met}


def report(data: str, kinds: dict[str, list[Measured]], targets: list[Json], figures: dict[str, float]) -> Json:
    """What is kept of a part."""
    runs = [
        {
            "run": kind,
            "seconds": round(least(some), 2),
            "all_seconds": [round(run.wall, 2) for run in some],
            "cpu_seconds": round(min(run.user + run.system for run in some), 2),
            "peak_bytes": peak(some),
        }
        for kind, some in kinds.items()
    ]
    missed = [f"missed: {one['target']}, measured {one['value']:,}{one['unit']}" for one in targets if not one["met"]]
    ratios = {name: round(value, 3) for name, value in figures.items()}
    return {"data": data, "runs": runs, "figures": ratios, "targets": targets, "missed": missed}


if __name__ == "__main__":
    main()
