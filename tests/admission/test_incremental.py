"""A second run costs what changed, and says what a first one would have said."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import gate as gate_package
from gate.admission import prepare, shards
from gate.admission.result import AdmissionResult
from gate.errors import InputError
from gate.store.cache import Cache
from gate.verbs.check import check

RULES = ["structure", "exact_duplicates", "near_duplicates", "conflicting_answers", "pii"]
WORDS = ["harbour", "lamp", "keeper", "tide", "stair", "evening", "weather", "book", "ship", "rope", "gull", "chart"]


def rows(seed: int, count: int = 60) -> list[dict[str, str]]:
    dice = random.Random(seed)
    return [
        {"instruction": " ".join(dice.choices(WORDS, k=12)), "output": " ".join(dice.choices(WORDS, k=30)) + "."}
        for _ in range(count)
    ]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six files with problems of several kinds, and a cache of their own."""
    monkeypatch.setenv("GATE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(6):
        records = rows(number)
        if number:
            records[3] = rows(0)[number]  # a copy of a row of the first file
        records[5]["output"] = f"Write to m.okafor{number}@harbour-lights.co.uk."
        lines = [json.dumps(record) for record in records]
        lines[7] = "{broken"
        (folder / f"part-{number}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def told(result: AdmissionResult) -> tuple[object, ...]:
    """Everything that a run says of the data."""
    outcomes = [(o.rule.id, o.status, o.examined, o.flagged, o.reason, o.figures) for o in result.outcomes]
    return result.verdict, outcomes, result.findings.to_dicts(), result.profile, result.dataset.examples.to_dicts()


def run(data: Path, **options: object) -> AdmissionResult:
    return check(data, select=RULES, **options)  # type: ignore[arg-type]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were worked on, in the order of the jobs."""
    names: list[str] = []
    work = prepare._work

    def watched(jobs: list[tuple[shards.FileJob, int]], *rest: object) -> object:
        names.extend(job.source.file for job, _ in jobs)
        return work(jobs, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(prepare, "_work", watched)
    return names


def test_an_unchanged_dataset_is_only_digested(data: Path, read: list[str]) -> None:
    first = told(run(data))
    assert len(read) == 6
    assert told(run(data)) == first
    assert len(read) == 6


def test_without_the_cache_nothing_is_used_and_nothing_kept(data: Path, read: list[str], tmp_path: Path) -> None:
    first = told(run(data, cache=False))
    assert not (tmp_path / "cache").exists()
    assert told(run(data, cache=False)) == first
    assert len(read) == 12
    assert told(run(data)) == first


def _append(data: Path) -> None:
    with (data / "part-2.jsonl").open("a") as file:
        file.write(json.dumps(rows(4)[9]) + "\n")  # a copy of a row of another file


def _edit(data: Path) -> None:
    path = data / "part-3.jsonl"
    path.write_text(path.read_text().replace("harbour", "haven", 3))


def _remove(data: Path) -> None:
    (data / "part-0.jsonl").unlink()


def _rename(data: Path) -> None:
    (data / "part-1.jsonl").rename(data / "part-9.jsonl")


def _add(data: Path) -> None:
    (data / "test.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rows(2)[:5]))


@pytest.mark.parametrize(
    ("change", "worked_on"),
    [
        (_append, ["part-2.jsonl"]),
        (_edit, ["part-3.jsonl"]),
        (_remove, []),
        (_rename, ["part-9.jsonl"]),
        (_add, ["test.jsonl"]),
    ],
)
def test_only_what_changed_is_worked_on_and_the_answer_is_that_of_a_first_run(
    data: Path, read: list[str], change: Callable[[Path], None], worked_on: list[str]
) -> None:
    run(data)
    read.clear()
    change(data)
    second = told(run(data))
    assert read == worked_on
    assert second == told(run(data, cache=False))


def test_another_parameter_measures_anew_what_it_is_about(data: Path, tmp_path: Path, read: list[str]) -> None:
    run(data)
    read.clear()
    policy = tmp_path / "loose.yaml"
    policy.write_text(
        "version: 1\nname: loose\nextends: base\nrules:\n  - id: near_duplicates\n    with: {threshold: 0.5}\n"
    )
    second = told(check(data, select=RULES, policy=policy))
    assert sorted(read) == [f"part-{number}.jsonl" for number in range(6)]
    assert second == told(check(data, select=RULES, policy=policy, cache=False))


def test_another_tolerance_measures_nothing_anew(data: Path, tmp_path: Path, read: list[str]) -> None:
    before = run(data)
    read.clear()
    policy = tmp_path / "lenient.yaml"
    policy.write_text("version: 1\nname: lenient\nextends: base\nevery: {tolerate: 500}\n")
    after = check(data, select=RULES, policy=policy)
    assert (before.verdict, after.verdict, read) == ("fail", "pass", [])


@pytest.mark.parametrize("seed", range(6))
def test_damage_anywhere_in_the_cache_changes_nothing_that_is_said(data: Path, tmp_path: Path, seed: int) -> None:
    first = told(run(data))
    dice = random.Random(seed)
    files = sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != ".gitignore")
    for path in dice.sample(files, len(files) // 3):
        content = path.read_bytes()
        how = dice.choice(["flip", "cut", "gone", "zeros"])
        if how == "gone":
            path.unlink()
        elif how == "cut":
            path.write_bytes(content[: dice.randrange(len(content) + 1)])
        elif how == "zeros":
            path.write_bytes(b"\0" * len(content))
        elif content:
            flipped = bytearray(content)
            flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
            path.write_bytes(flipped)
    assert told(run(data)) == first


def test_rows_that_are_asked_for_later_survive_a_cleared_cache(data: Path) -> None:
    result = run(data)
    before = result.dataset.examples.to_dicts()
    Cache(Path(os.environ["GATE_CACHE"])).clear()
    assert result.dataset.examples.to_dicts() == before


def test_a_large_file_is_shared_out_and_says_the_same(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = tmp_path / "one.jsonl"
    one.write_bytes(b"".join(path.read_bytes() for path in sorted(data.iterdir())))
    whole = told(check(one, select=RULES, cache=False))
    monkeypatch.setattr("gate.data.read_file.SHARD_ROWS", 50)
    monkeypatch.setattr("gate.data.batch.ROWS", 25)
    monkeypatch.setattr(prepare, "LARGE", 100)
    for module in ("jsonl", "columnar"):
        monkeypatch.setattr(f"gate.data.{module}.ROWS", 25, raising=False)
    result = check(one, select=RULES, cache=False)
    assert len(result.dataset.corpus().shards) > 5
    assert told(result) == whole


def test_a_file_that_changes_while_it_is_read_is_noticed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gate.admission import sources

    digest = sources._digest

    def and_then_somebody_writes(source: object) -> str:
        found = digest(source)  # type: ignore[arg-type]
        with (data / "part-4.jsonl").open("a") as file:
            file.write(json.dumps(rows(9)[0]) + "\n")
        return found

    monkeypatch.setattr(sources, "_digest", and_then_somebody_writes)
    with pytest.raises(InputError, match=r"part-4\.jsonl: it changed while it was read"):
        run(data)


def test_a_link_that_leads_out_of_the_folder_is_not_followed(data: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text(json.dumps(rows(50)[0]) + "\n")
    (data / "more.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (data / "inside.jsonl").symlink_to(data / "part-0.jsonl")
    (data / "loop").symlink_to(data)
    result = run(data)
    whole = result.findings.filter(pl.col("row").is_null())
    assert whole.select("file", "code").rows() == [("more.jsonl", "outside_folder")]
    assert "more.jsonl" not in result.dataset.examples["file"]
    assert {one.path for one in result.dataset.skipped} >= {"loop"}


def test_the_public_function_takes_the_same_options(data: Path) -> None:
    assert gate_package.check(data, select="structure", cache=False).verdict == "fail"
