"""Measures `gate check` against the straightforward composition, on the same rows, one process each, in turn.

`python bench/check.py DATA` runs both under the default policy's own parameters, asserts that gate misses nothing
that the composition finds, and prints seconds, peak memory and the ratio as JSON. The composition takes minutes
at 200,000 rows; `--alone` measures gate only.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # what the other process wrote, as JSON holds it

import polars as pl

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.measure import Measured, measure

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
DUPLICATES = ("exact_duplicates", "near_duplicates")


class Missed(AssertionError):
    """Gate did not find something that the composition, or the planted truth, holds."""


@dataclass(frozen=True, slots=True)
class Demands:
    """The default policy's parameters that both sides are run with."""

    entities: dict[str, float]
    allow: dict[str, list[str]]
    """Patterns of values that may stay, by entity."""
    threshold: float


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeat", type=int, default=3, help="runs of gate; the composition is run once")
    parser.add_argument("--alone", action="store_true", help="measure gate only")
    arguments = parser.parse_args()
    report = compare(arguments.data, repeat=arguments.repeat, alone=arguments.alone)
    print(json.dumps(report, indent=1))
    if report.get("missed"):
        sys.exit("gate missed something that the composition found, so the ratio counts for nothing")


def compare(data: Path, *, repeat: int = 3, alone: bool = False) -> dict[str, object]:
    """Gate, the composition, gate again …: the cost of both, and what each found.

    Returns:
        rows, bytes, gate (seconds: least and all; peak bytes), composition (the same, and by stage), ratio, what
        gate missed of the composition's findings (nothing, or the run is void), counts of what was found, and
        recall of the planted truth where `truth.parquet` lies beside the data folder.

    Raises:
        Missed: gate and the composition did not even judge the same number of rows.
    """
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        runs = [_gate(data, scratch)]
        composed = None if alone else _composition(data, scratch, demands())
        runs += [_gate(data, scratch) for _ in range(repeat - 1)]
        result = json.loads((scratch / "result.json").read_text(encoding="utf-8"))
        findings = pl.read_parquet(scratch / "findings.parquet")
    size = (
        sum(path.stat().st_size for path in data.rglob("*") if path.is_file()) if data.is_dir() else data.stat().st_size
    )
    best = min(runs, key=lambda run: run.wall)
    report: dict[str, object] = {
        "data": _name(data),
        "rows": result["profile"]["rows"],
        "bytes": size,
        "verdict": result["verdict"],
        "gate": {
            "seconds": round(best.wall, 2),
            "all_seconds": [round(run.wall, 2) for run in runs],
            "cpu_seconds": round(min(run.user + run.system for run in runs), 2),
            "peak_bytes": max(run.peak for run in runs),
        },
        "found": _counts(findings),
    }
    if composed is not None:
        cost, found = composed
        report["composition"] = {
            "seconds": found["total"],
            "cpu_seconds": found["cpu"],
            "stages": found["seconds"],
            "peak_bytes": cost.peak,
            "candidates": found["candidates"],
            "pairs": len(found["pairs"]),
            "pii": len(found["pii"]),
        }
        report["ratio"] = round(found["total"] / best.wall, 1)
        # Of processor time: what other work on the machine does not disturb.
        report["cpu_ratio"] = round(found["cpu"] / min(run.user + run.system for run in runs), 1)
        if found["rows"] != result["profile"]["examples"]:
            raise Missed(f"gate judged {result['profile']['examples']} examples, the composition {found['rows']}")
        report["missed"] = missed(
            lambda: same_duplicates(findings, found["pairs"]), lambda: same_personal_data(findings, found["pii"])
        )
    truth = data.parent / "truth.parquet"
    if truth.is_file():
        report["recall"] = recall(findings, pl.read_parquet(truth))
    return report


def _name(data: Path) -> str:
    """The data as a reader finds it: in the repository, or beside it; nothing else of this machine's paths."""
    path = data.resolve()
    for root in (REPOSITORY, REPOSITORY.parent):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name


def missed(*comparisons: Callable[[], None]) -> list[str]:
    """What the comparisons hold against gate: none, or the run counts for nothing. The numbers are kept all the
    same, since the composition takes minutes."""
    held = []
    for comparison in comparisons:
        try:
            comparison()
        except Missed as error:
            held.append(str(error))
    return held


def demands() -> Demands:
    """What the shipped policy `base` asks of near duplicates and personal data."""
    from gate.folders import Folders
    from gate.policy.load import load_policy

    rules = {rule.id: rule.params for rule in load_policy("base", Folders()).rules}
    entities, threshold = rules["pii"]["entities"], rules["near_duplicates"]["threshold"]
    allow = rules["pii"].get("allow_patterns", {})
    assert isinstance(entities, dict)
    assert isinstance(allow, dict)
    assert isinstance(threshold, float)
    patterns = {str(name): [str(pattern) for pattern in listed] for name, listed in allow.items()}
    return Demands({str(name): float(score) for name, score in entities.items()}, patterns, threshold)


SAME_TASK = "structure,exact_duplicates,near_duplicates,conflicting_answers,pii,expectations"
"""The rules whose work the composition does as well."""


def _gate(data: Path, scratch: Path) -> Measured:
    outputs = [f"--output=json={scratch / 'result.json'}", f"--output=parquet={scratch / 'findings.parquet'}"]
    with tempfile.TemporaryDirectory(dir=scratch) as cache:  # empty: every run is a cold one
        command = [PYTHON, "-m", "gate", "check", str(data.resolve()), "--quiet", f"--select={SAME_TASK}", *outputs]
        run = measure(command, environment={"GATE_CACHE": cache}, folder=REPOSITORY)
    if run.code not in (0, 1):
        raise RuntimeError(f"gate check ended with {run.code}:\n{run.stderr[-4000:]}")
    return run


def _composition(data: Path, scratch: Path, asked: Demands) -> tuple[Measured, dict[str, Any]]:
    out = scratch / "composition.json"
    command = [PYTHON, str(REPOSITORY / "bench" / "composition.py"), str(data)]
    command += ["--entities", json.dumps(asked.entities), "--allow", json.dumps(asked.allow)]
    command += ["--threshold", str(asked.threshold)]
    command += ["--suites", str(REPOSITORY / "rules" / "expectations"), "--out", str(out)]
    run = measure(command)
    if run.code != 0:
        raise RuntimeError(f"the composition ended with {run.code}:\n{run.stderr[-4000:]}")
    return run, json.loads(out.read_text(encoding="utf-8"))


def same_duplicates(findings: pl.DataFrame, pairs: list[list[object]]) -> None:
    """Every verified pair of the composition has a row that gate proposes to drop.

    Raises:
        Missed: some pair has none.
    """
    dropped = set(findings.filter(pl.col("rule").is_in(DUPLICATES)).select("file", "row").iter_rows())
    kept = [pair for pair in pairs if (pair[0], pair[1]) not in dropped and (pair[2], pair[3]) not in dropped]
    if kept:
        raise Missed(f"{len(kept)} of {len(pairs)} similar pairs were left whole, such as {kept[0]}")


def same_personal_data(findings: pl.DataFrame, composed: list[list[Any]]) -> None:
    """The same findings by file, row and entity.

    Raises:
        Missed: they differ, in either direction.
    """
    ours = Counter(findings.filter(pl.col("rule") == "pii").select("file", "row", "code").iter_rows())
    theirs = Counter((file, row, entity) for file, row, entity in composed)
    if ours != theirs:
        lacking, more = theirs - ours, ours - theirs
        raise Missed(
            f"personal data differs: {lacking.total()} findings are lacking, such as {_first(lacking)}; "
            f"{more.total()} are too many, such as {_first(more)}"
        )


def _first(counted: Mapping[tuple[Any, ...], int]) -> str:
    return str(next(iter(counted), "none"))


def recall(findings: pl.DataFrame, truth: pl.DataFrame, threshold: float = 0.8) -> dict[str, dict[str, int]]:
    """How much of the planted truth was found: pairs above the threshold broken up, values seen.

    Args:
        threshold: the near-duplicate rule's own.
    """
    dropped = set(findings.filter(pl.col("rule").is_in(DUPLICATES)).select("file", "row").iter_rows())
    seen = set(findings.filter(pl.col("rule") == "pii").select("file", "row", "code").iter_rows())
    counted: dict[str, dict[str, int]] = {}
    for line in truth.iter_rows(named=True):  # planted rows only
        if line["how"] == "pii":
            found = (line["file"], line["row"], line["entity"]) in seen
        elif line["jaccard"] < threshold or (line["file"], line["row"]) == (line["origin_file"], line["origin_row"]):
            continue
        else:
            found = not {(line["file"], line["row"]), (line["origin_file"], line["origin_row"])}.isdisjoint(dropped)
        count = counted.setdefault(line["how"], {"planted": 0, "found": 0})
        count["planted"] += 1
        count["found"] += found
    return counted


def _counts(findings: pl.DataFrame) -> list[dict[str, object]]:
    counts = findings.group_by("rule", "severity", "code").len("findings").sort("rule", "severity", "code")
    return counts.with_columns(pl.col("severity").cast(pl.String)).to_dicts()


if __name__ == "__main__":
    main()
