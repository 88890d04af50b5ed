"""From a model that was really trained and really scored to the champion, and what verification makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.evaluation.items import values
from gate.evaluation.results import Evaluated
from gate.verbs.people import approve
from gate.verbs.promote import promote
from gate.verbs.verify import verify
from tests.evaluation.conftest import Scored

POLICY = """version: 1
champion: champion
alpha: 0.05
demands:
  - id: kept
    suite: forgetting
    tasks: [additions]
    against: base
    {demand}
    why: it is what this test demands
test_uses: {{warn: 2}}
repeat: {{required: false}}
"""


@pytest.fixture
def team(scored: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scored:
    monkeypatch.chdir(tmp_path)
    return scored.copied(tmp_path)


def policy(team: Scored, demand: str) -> Path:
    path = team.store.root.parent / "policy.yaml"
    path.write_text(POLICY.format(demand=demand), "utf-8")
    return path


def judge(team: Scored, demand: str):  # type: ignore[no-untyped-def]  # a `Promoted`
    trust, ana = team.people.trust, team.people.ana
    return promote(team.run, policy=policy(team, demand), first=True, store=team.store, trust=trust, signer=ana)


def test_scored_promoted_and_followed_back_to_the_rows(
    team: Scored, evaluated_base: Evaluated, evaluated_candidate: Evaluated
) -> None:
    judged = judge(team, "no_worse: {margin: 0.999}")
    (outcome,) = judged.decided.outcomes
    before, after = (
        values(each.tasks["additions"].items, "exact_match") for each in (evaluated_base, evaluated_candidate)
    )
    assert outcome.comparison is not None
    assert outcome.comparison.difference == pytest.approx(after.mean() - before.mean())  # type: ignore[operator]
    assert outcome.comparison.lost == int(((before == 1) & (after == 0)).sum())
    assert (judged.decided.verdict, judged.exit_code) == ("pass", 3)

    trust, ben = team.people.trust, team.people.ben
    approve(team.run, store=team.store, trust=trust, signer=ben)
    assert judge(team, "no_worse: {margin: 0.999}").exit_code == 0
    found = verify("champion", store=team.store, trust=trust)
    assert found.exit_code == 0, found.broken
    kinds = {link.what for link in _all(found.chain)}
    assert {"promotion", "evaluation", "training", "admission"} <= kinds

    (weights,) = (team.store.root / "runs" / team.run / "candidate").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert verify("champion", store=team.store, trust=trust).exit_code == 1


def test_what_nobody_could_reach_is_refused(team: Scored) -> None:
    judged = judge(team, "better: {by: 0.999}")
    assert (judged.decided.verdict, judged.exit_code) == ("fail", 1)
    assert "additions" in judged.decided.reasons[0]


def _all(link):  # type: ignore[no-untyped-def]  # links and theirs
    yield link
    for each in link.children:
        yield from _all(each)
