"""Near-duplicates, from reading to the rows to remove: gate against its peers, each in an environment of its own.

`python bench/peers.py [PATH ...] [--rows N] [--rounds K] [--only NAME ...]` puts the texts of some datasets (or of a
generated corpus) into one JSON Lines file, finds all similar pairs by brute force, and lets each contender of
`bench/peers_adapters.py` read that file in a fresh process, in turn, K times over. Prints one JSON object per
contender: the least seconds (from reading to the removed rows, imports apart), those of the whole process, the highest
memory of its process tree, and precision and recall by row as `bench/peers_truth.py` defines them. Environments are
made in `out/bench-envs` where they are missing; a peer that cannot be installed or that fails is printed with the
reason.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any  # what a contender wrote, as JSON holds it

if __name__ == "__main__":  # the repository instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.duplicates import THRESHOLD, read_sets, texts_of
from bench.measure import Measured, measure
from bench.peers_adapters import ADAPTERS
from bench.peers_environments import ENVIRONMENTS, NotInstalled, python_of, reason
from bench.peers_truth import Pairs, judge, similar_pairs

SCRIPT = Path(__file__).with_name("peers_adapters.py")


class Failed(Exception):
    """A contender ended with an error; says so in one line without a path."""


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--rows", type=int, default=50_000, help="of the generated corpus, when no path is given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(ADAPTERS), default=list(ADAPTERS))
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="folder of the peers' environments")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        texts = texts_of(arguments.paths, arguments.rows, Path(folder))
        for line in compare(texts, arguments.only, arguments.rounds, arguments.environments):
            print(json.dumps(line), flush=True)


def compare(texts: Path, names: Sequence[str], rounds: int, environments: Path = ENVIRONMENTS) -> list[dict[str, Any]]:
    """One line per contender, in the order of the names."""
    pythons: dict[str, Path] = {}
    notes: dict[str, str] = {}
    for name in names:
        try:
            pythons[name] = interpreter(name, environments)
        except NotInstalled as why:
            notes[name] = f"not installed: {why}"
    runs: dict[str, list[tuple[Measured, dict[str, Any]]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in pythons:
            if name in notes:
                continue
            try:
                runs[name].append(once(name, pythons[name], texts))
            except Failed as why:
                notes[name] = f"failed: {why}"
    sets = read_sets(texts)  # after the runs: brute force takes memory of its own
    pairs = similar_pairs(sets, Fraction(str(THRESHOLD)))
    return [line(name, len(sets), pairs, [] if name in notes else runs[name], notes.get(name)) for name in names]


def interpreter(name: str, environments: Path = ENVIRONMENTS) -> Path:
    """The interpreter that the contender runs in.

    Raises:
        NotInstalled: its environment could not be made.
    """
    environment = ADAPTERS[name][0]
    return python_of(environment, environments) if environment else Path(sys.executable)


def once(name: str, python: Path, texts: Path) -> tuple[Measured, dict[str, Any]]:
    """One run: what it cost, and what it wrote.

    Raises:
        Failed: it ended with an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": folder, "HF_DATASETS_CACHE": folder, "TMPDIR": folder}
        cost = measure([str(python), str(SCRIPT), name, str(texts), str(out)], environment=quiet, folder=Path(folder))
        if cost.code != 0 or not out.is_file():
            raise Failed(reason(cost.stderr.strip().rpartition("\n")[2]) or f"ended with {cost.code}")
        return cost, json.loads(out.read_text(encoding="utf-8"))


def line(
    name: str, rows: int, pairs: Pairs, runs: list[tuple[Measured, dict[str, Any]]], note: str | None
) -> dict[str, Any]:
    """What is printed of one contender. Of several runs the one that removes worst is judged."""
    told: dict[str, Any] = {"contender": name, "version": None, "rows": rows, "similar_pairs": len(pairs)}
    if not runs:
        return {**told, "note": note}
    judged = min(
        (judge(rows, pairs, wrote["removed"]) for _, wrote in runs),
        key=lambda one: (one.precision or 0.0) + (one.recall or 0.0),
    )
    return {
        **told,
        "version": runs[0][1]["version"],
        "seconds": round(min(wrote["seconds"] for _, wrote in runs), 3),
        "process_seconds": round(min(cost.wall for cost, _ in runs), 3),
        "peak_mib": round(max(cost.peak for cost, _ in runs) / 2**20),
        "removed": judged.removed,
        "wrongly": judged.removed - judged.right,
        "left": judged.left,
        "precision": judged.precision,
        "recall": judged.recall,
    }


if __name__ == "__main__":
    main()
