"""Counts what every shipped rule finds in the real datasets: `python bench/real_data.py [FOLDER]`.

It judges each file or folder of FOLDER (by default `../shared/data` beside the checkout), and GSM8K once more with its
test split as a registered evaluation set, and writes the table in `docs/real-data.md`. The remarks there are written
by hand, by whoever looked at the findings.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import gate

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "real-data.md"
BEGIN, END = "<!-- begin: bench/real_data.py writes this table -->", "<!-- end -->"
CARD = "README.md"

POLICY = """version: 1
name: registered
extends: chat
rules:
  - id: contamination
    with:
      evaluations: [evaluations/test.jsonl]
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the shipped rules found in one dataset."""

    name: str
    rows: int
    seconds: float
    """Wall clock of one cold run, nothing cached."""
    statuses: dict[str, str]
    """How each rule ended."""
    counts: dict[tuple[str, str], int]
    """Findings by (rule, severity)."""


def judge(name: str, path: Path, home: Path | None = None) -> Judged:
    """Run all rules on one dataset, without a cache.

    Raises:
        RuntimeError: a rule could not be measured: a count without it would pass for one of no findings.
    """
    result = gate.check(path, home=home, cache=False)
    statuses: dict[str, str] = {each.rule.id: each.status for each in result.outcomes}
    broken = [rule for rule, status in statuses.items() if status == "errored"]
    if broken:
        raise RuntimeError(f"{name}: could not measure {', '.join(broken)}")
    counts = Counter(zip(result.findings["rule"], result.findings["severity"], strict=True))
    rows = sum(file.rows for file in result.dataset.files)
    return Judged(name, rows, result.seconds, statuses, dict(counts))


def registered(data: Path) -> Judged:
    """GSM8K's training split where its test split is a registered evaluation set."""
    with tempfile.TemporaryDirectory(prefix="gate-real-data-") as folder:
        home = Path(folder)
        (home / "evaluations").mkdir()
        (home / "evaluations" / "test.jsonl").write_bytes((data / "gsm8k" / "test.jsonl").read_bytes())
        (home / "rules" / "admission").mkdir(parents=True)
        (home / "rules" / "admission" / "registered.yaml").write_text(POLICY)
        (home / "gate.yaml").write_text("version: 1\npolicy: {chat: registered}\n")
        (home / "train.jsonl").write_bytes((data / "gsm8k" / "train.jsonl").read_bytes())
        return judge("gsm8k/train, test registered", home / "train.jsonl", home)


def table(judged: Sequence[Judged]) -> Iterator[str]:
    """Rules × datasets, in Markdown."""
    yield "| rule | " + " | ".join(each.name for each in judged) + " |"
    yield "| --- |" + " ---: |" * len(judged)
    yield "| rows | " + " | ".join(f"{each.rows:,}" for each in judged) + " |"
    for rule in dict.fromkeys(rule for each in judged for rule in each.statuses):
        yield f"| `{rule}` | " + " | ".join(cell(each, rule) for each in judged) + " |"
    yield "| seconds | " + " | ".join(f"{each.seconds:.1f}" for each in judged) + " |"


def cell(judged: Judged, rule: str) -> str:
    """What a rule found: `14 e` blocks, `20 w` warns, `6 i` only counts; `–` where it had nothing to look at."""
    if judged.statuses.get(rule) == "skipped":
        return "–"
    found = [(judged.counts.get((rule, severity), 0), severity[0]) for severity in ("error", "warning", "info")]
    return " ".join(f"{count} {mark}" for count, mark in found if count) or "0"


def main(arguments: Sequence[str]) -> int:
    """Count, and write the table between its two marks."""
    data = Path(arguments[0]) if arguments else ROOT.parent / "shared" / "data"
    if not data.is_dir():
        print(f"{data} is no folder: name the one that holds the datasets", file=sys.stderr)
        return 2
    judged = [judge(path.name, path) for path in sorted(data.iterdir()) if path.name != CARD]
    judged.append(registered(data))
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text("\n".join([f"{before}{BEGIN}\n", *table(judged), f"\n{END}{after}"]), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
