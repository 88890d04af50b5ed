"""How many examples somebody looked at, how sure that makes it that the rest is good, and which are bad."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import polars as pl
import pytest
from pydantic import ValidationError

import gate
from gate.checks.base import REVIEWS, Context, Measurement, Workers
from gate.checks.spot_check import SpotCheckParams, settled, spot_check
from gate.checks.wilson import wilson
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames
from gate.folders import Folders
from gate.verbs.check import check

Said = tuple[str, str, str | None, str, str]


def reviews(said: Iterable[Said]) -> pl.DataFrame:
    return pl.DataFrame(list(said), schema=REVIEWS, orient="row")


def verdicts(good: int, bad: int = 0, skip: int = 0) -> pl.DataFrame:
    words = ["good"] * good + ["bad"] * bad + ["skip"] * skip
    return reviews((str(at), word, None, "2026-11-01", "ana") for at, word in enumerate(words))


def measure(rows: int, said: pl.DataFrame, *, sample: int = 10, good: float = 0.5, malformed: int = 0) -> Measurement:
    data = [{"id": str(at), "file": "a.jsonl", "row": at + 1, "kind": "text"} for at in range(rows)]
    bad = pl.DataFrame([{"file": "b.jsonl", "row": row} for row in range(malformed)], schema=MALFORMED)
    context = Context(cast(Workers, None), Folders(), reviews=said)
    params = SpotCheckParams(sample=sample, good=good, level=0.95)
    return spot_check.run(Frames(pl.DataFrame(data, schema=EXAMPLES), bad), params, context)


# Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3 (score, without correction); 0 of 10 and 10 of 10
# have a closed form: z^2 / (n + z^2) with z = 1.959964.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 10, 0.0000, 0.2775),
        (10, 10, 0.7225, 1.0000),
    ],
)
def test_wilsons_interval_is_that_of_the_books(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials, 0.95) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilsons_interval_ends_where_the_observed_share_is_as_far_off_as_the_level_allows() -> None:
    """Its definition (Wilson 1927): the shares p with |x/n - p| = z sqrt(p (1 - p) / n)."""
    for successes, trials, level, z in ((96, 100, 0.95, 1.959964), (3, 17, 0.99, 2.575829), (0, 5, 0.9, 1.644854)):
        for bound in wilson(successes, trials, level):
            if 0 < bound < 1:
                off = abs(successes / trials - bound)
                assert off == pytest.approx(z * (bound * (1 - bound) / trials) ** 0.5, rel=1e-5)


def test_nothing_is_known_of_nothing_and_numbers_that_cannot_be_are_refused() -> None:
    assert wilson(0, 0, 0.95) == (0.0, 1.0)
    for successes, trials, level in ((3, 2, 0.95), (-1, 2, 0.95), (1, 2, 0.0), (1, 2, 1.0), (1, 2, float("nan"))):
        with pytest.raises(ValueError, match="of"):
            wilson(successes, trials, level)


def test_no_review_is_demanded_where_the_sample_is_none() -> None:
    measured = measure(5, verdicts(0), sample=0)
    assert (measured.skipped, measured.findings.height) == ("no review is demanded", 0)


def test_what_somebody_called_bad_is_bad_where_no_number_is_demanded_too() -> None:
    measured = measure(5, verdicts(1, bad=2), sample=0)
    assert measured.skipped is None
    assert measured.findings["code"].to_list() == ["bad_example", "bad_example"]


@pytest.mark.parametrize("said", [verdicts(0), verdicts(9), verdicts(9, skip=5)], ids=["none", "9", "9 and skipped"])
def test_too_few_reviewed_is_a_finding_that_says_how_many_more(said: pl.DataFrame) -> None:
    measured = measure(20, said)
    (finding,) = measured.findings.filter(pl.col("code") == "too_few_reviewed").to_dicts()
    missing = 10 - measured.figures["good"]
    assert f"{missing:.0f} more" in finding["message"]
    assert finding["score"] == pytest.approx(missing / 10)
    assert finding["row"] is None
    assert measured.examined == 20


def test_verdicts_on_other_examples_say_nothing_of_these() -> None:
    elsewhere = reviews((f"x{at}", "good" if at else "bad", None, "2026-11-01", "ana") for at in range(50))
    measured = measure(20, elsewhere)
    assert measured.findings["code"].to_list() == ["too_few_reviewed"]
    assert (measured.figures["reviewed"], measured.figures["bad ones gone"]) == (0, 1)


def test_who_has_looked_at_all_there_are_has_looked_at_enough() -> None:
    assert measure(6, verdicts(6)).findings.height == 0
    assert measure(6, verdicts(5)).findings["code"].to_list() == ["too_few_reviewed"]


def test_of_no_example_nobody_has_looked_at_enough() -> None:
    measured = measure(0, verdicts(30), malformed=3)
    assert measured.findings["code"].to_list() == ["too_few_reviewed"]
    assert (measured.examined, measured.skipped) == (3, None)


def test_the_bound_and_not_the_share_is_what_has_to_be_reached() -> None:
    assert measure(200, verdicts(96, bad=4), sample=100, good=0.9).findings["code"].to_list() == ["bad_example"] * 4
    measured = measure(200, verdicts(95, bad=5), sample=100, good=0.9)  # 95 % are good, 88.8 % are sure
    (finding,) = measured.findings.filter(pl.col("code") == "too_few_good").to_dicts()
    assert "95 of 100" in finding["message"]
    assert "88.8%" in finding["message"]
    assert finding["score"] == pytest.approx(0.9 - 0.88825, abs=1e-5)
    assert finding["row"] is None


def test_bad_ones_are_findings_to_drop_with_the_reason_masked() -> None:
    said = [("3", "bad", "quotes ana.ruiz@example.org as is", "2026-11-01", "ana"), ("4", "bad", None, "2026", "ana")]
    findings = measure(20, reviews(said), sample=1, good=0.0).findings
    assert findings.select("code", "id", "file", "row", "remedy").rows() == [
        ("bad_example", "3", "a.jsonl", 4, "drop"),
        ("bad_example", "4", "a.jsonl", 5, "drop"),
    ]
    assert findings["evidence"].to_list() == ["quotes ***.****@*******.*** as is", None]
    assert "example.org" not in str(findings.to_dicts())


def test_an_example_that_comes_twice_counts_once_and_is_found_twice() -> None:
    data = [{"id": "0", "file": "a.jsonl", "row": row, "kind": "text"} for row in (1, 2)]
    context = Context(cast(Workers, None), Folders(), reviews=verdicts(0, bad=1))
    frames = Frames(pl.DataFrame(data, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    measured = spot_check.run(frames, SpotCheckParams(sample=1, good=0.0, level=0.95), context)
    assert measured.findings["row"].to_list() == [1, 2]
    assert measured.figures["reviewed"] == 1


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # The last word of a person counts, whatever the order in which it is handed over.
        ([("a", "good", None, "2", "ana"), ("a", "bad", "x", "1", "ana")], [("a", "good", None)]),
        ([("a", "bad", "x", "2", "ana"), ("a", "good", None, "1", "ana")], [("a", "bad", "x")]),
        # Two who disagree: bad wins, in either order.
        ([("a", "bad", "x", "1", "ana"), ("a", "good", None, "2", "ben")], [("a", "bad", "x")]),
        ([("a", "good", None, "1", "ana"), ("a", "bad", "x", "2", "ben")], [("a", "bad", "x")]),
        # Skipped is not judged; who skips takes back what they said.
        ([("a", "skip", None, "1", "ana")], []),
        ([("a", "good", None, "1", "ana"), ("a", "skip", None, "2", "ana")], []),
        ([("a", "good", None, "1", "ana"), ("a", "skip", None, "2", "ben")], [("a", "good", None)]),
        # Of several reasons the last.
        ([("a", "bad", "x", "1", "ana"), ("a", "bad", "y", "2", "ben")], [("a", "bad", "y")]),
        ([("a", "bad", "x", "1", "ana"), ("a", "bad", None, "2", "ben")], [("a", "bad", "x")]),
    ],
)
def test_one_verdict_is_made_of_what_people_said(said: list[Said], expected: list[tuple[str, str, str | None]]) -> None:
    assert settled(reviews(said)).rows() == expected


@pytest.mark.parametrize("params", [{"sample": -1}, {"good": 1.0}, {"good": -0.1}, {"level": 1.0}, {"level": 0.0}, {}])
def test_parameters_that_say_nothing_are_refused(params: dict[str, float]) -> None:
    whole = {"sample": 100, "good": 0.9, "level": 0.95}
    with pytest.raises(ValidationError):
        SpotCheckParams.model_validate(whole | params if params else {"sample": 100})


POLICY = """
version: 1
name: mine
rules:
  - id: spot_check
    check: spot_check
    with: {sample: SAMPLE, good: 0.5, level: 0.95}
    severity: error
    tolerate: 0.99
    min_examples: 1
    remedy: drop
    why: Somebody has to have looked.
"""


@pytest.fixture
def judged(tmp_path: Path, write_jsonl: Callable[..., Path]) -> Callable[..., gate.AdmissionResult]:
    write_jsonl(tmp_path / "data/train.jsonl", [{"prompt": f"What is {n}?", "completion": str(n)} for n in range(20)])

    def run(sample: int = 10, **options: object) -> gate.AdmissionResult:
        (tmp_path / "mine.yaml").write_text(POLICY.replace("SAMPLE", str(sample)))
        return check(tmp_path / "data", policy=tmp_path / "mine.yaml", **options)  # type: ignore[arg-type]

    return run


def said_of(result: gate.AdmissionResult, verdict: str, count: int) -> pl.DataFrame:
    ids = result.dataset.examples["id"].head(count)
    return reviews((id_, verdict, "wrong", "2026-11-01", "ana") for id_ in ids)


def test_a_dataset_fails_until_enough_was_looked_at_and_what_was_seen_before_is_not_taken_for_it(judged) -> None:
    first = judged()
    assert (first.verdict, first.findings["code"].to_list()) == ("fail", ["too_few_reviewed"])
    assert judged(reviews=said_of(first, "good", 10)).verdict == "pass"
    assert judged().verdict == "fail"  # what the cache holds of the reviewed run is not this one's
    after = judged(reviews=pl.concat([said_of(first, "good", 10), said_of(first, "bad", 1)]))
    assert after.findings["code"].to_list() == ["bad_example"]


def test_bad_ones_are_told_and_do_not_fail_it_while_the_bound_holds(judged) -> None:
    said = said_of(judged(), "bad", 2)
    more = said_of(judged(), "good", 20)
    result = judged(reviews=pl.concat([more.filter(~pl.col("id").is_in(said["id"].implode())), said]))
    (outcome,) = result.outcomes
    assert (result.verdict, outcome.status, outcome.flagged) == ("pass", "passed", 2)
    assert set(result.findings["remedy"]) == {"drop"}
    assert set(result.findings["severity"]) == {"error"}  # so that they are left out of a snapshot
    assert judged(reviews=said_of(judged(), "bad", 20)).verdict == "fail"


def test_the_shipped_rule_demands_nothing(tmp_path: Path, write_jsonl) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{"prompt": "Hi", "completion": "Hello."}])
    (outcome,) = check(tmp_path / "train.jsonl", select="spot_check").outcomes
    assert (outcome.status, outcome.reason) == ("skipped", "no review is demanded")
