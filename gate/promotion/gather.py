"""Gathers what a decision rests on: the candidate with its training statement, the base, the champion, and of each the
evaluations that fit together, every one by people whose word counts and with every object verified."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate.errors import UsageError
from gate.evaluation.results import Evaluated, find_evaluations, open_evaluation
from gate.promotion.champion import Champion
from gate.promotion.covered import NotJudged
from gate.promotion.decided import Side
from gate.promotion.naming import find_model, nothing_called, vouched
from gate.promotion.policy import PromotionPolicy
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Release, Statement, Training
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.sealed_objects import trusted_erasures
from gate.training.model_files import hashed_files, model_digest
from gate.training.runs import find_candidate, runs_folder


@dataclass(frozen=True, slots=True)
class Judged:
    """The model that is judged."""

    name: str
    """Its run's."""
    model: str
    """Its digest."""
    training: Statement
    folder: Path | None
    """Where its files lie, which were hashed; None: they are not on this machine, and its digest stands for them."""

    @property
    def trained(self) -> Training:
        assert isinstance(self.training.about, Training)
        return self.training.about


def find_judged(what: str, ledger: Ledger, trust: Trust) -> Judged:
    """The candidate that a person means: a run, a folder with a candidate or with a released merged model, or eight or
    more digits of its digest.

    Raises:
        UsageError: there is none, or it is a base, which nobody trained.
        Damaged: its files are not those of its training statement.
        Untrusted: nobody who is trusted says how it was trained.
    """
    folder, path = None, Path(what)
    if "/" not in what and (runs_folder(ledger.store.root) / what / "state.json").is_file():
        found = find_candidate(what, ledger)
        folder, model = found.folder, found.digest
    elif path.is_dir():
        folder = path / "candidate" if (path / "candidate").is_dir() else path
        model = model_digest(hashed_files(folder))
    else:
        meant = find_model(ledger, what)
        if meant is None:
            raise nothing_called(ledger, what)
        model = meant
    said = [one for one in ledger.all() if isinstance(one.about, Training | Release) and one.about.model == model]
    if not said:
        raise UsageError(
            "there is no training statement about it: only models that gate trained are promoted",
            where=what[:100] if folder is None else os.fspath(folder),
            remedy="gate train makes candidates; the base they come from is compared with, and not promoted",
        )
    for one in reversed(said):
        if vouched(trust, one) and (training := _training(ledger, one)) is not None and vouched(trust, training):
            assert isinstance(training.about, Training)
            return Judged(training.about.name, model, training, folder)
    trust.vouched(said[-1])  # says why not
    raise Untrusted(
        f"nobody whom {trust.origin} trusts says how it was trained", where=f"{said[-1].kind} {said[-1].digest[:12]}"
    )


def _training(ledger: Ledger, one: Statement) -> Statement | None:
    if isinstance(one.about, Training):
        return one
    assert isinstance(one.about, Release)
    if len(one.about.sources) != 1 or one.about.form != "merged":
        return None
    found = ledger.statement(one.about.sources[0])
    return found if isinstance(found.about, Training) else None


@dataclass(frozen=True, slots=True)
class Sides:
    """The models of a comparison with what they scored."""

    candidate: Side
    base: Side
    champion: Side | None
    notes: tuple[str, ...]
    """Warnings, in sentences."""

    @property
    def evaluations(self) -> list[str]:
        """The digests of all evaluation statements, each once."""
        sides = [self.candidate, self.base, *([self.champion] if self.champion else [])]
        found = [each for side in sides for each in (*side.evaluations.values(), *side.repeats.values(), *side.prompts)]
        return list(dict.fromkeys(each.statement.digest for each in found))


def gather(judged: Judged, champion: Champion | None, policy: PromotionPolicy, ledger: Ledger, trust: Trust) -> Sides:
    """The evaluations of every model that the policy needs, of the suites that it names.

    Raises:
        NotJudged: a model behind a URL, where the policy refuses those; or the candidate was scored on nothing.
        Damaged: an evaluation is not what its statement says.
    """
    opened = _Opened(ledger, trust, policy)
    own = opened.of(judged.model)
    candidate = Side("candidate", judged.name, judged.model, _chosen(own, {}), {})
    if not candidate.evaluations:
        suites = " ".join(f"--suite {each}" for each in policy.suites)
        raise NotJudged(
            f"{judged.name} was not scored on any suite that the policy names, by anybody whom {trust.origin} trusts",
            where=judged.model[:12],
            remedy=f"gate eval {judged.name} {suites}",
        )
    base = _side("base", judged.trained.base_name, judged.trained.base, candidate, opened)
    best = None
    if champion is not None:
        best = _side("champion", champion.promoted.name, champion.about.model, candidate, opened)
    notes = [
        f"{each.about.name} was scored behind a URL: its weights are what its owner says they are"
        for side in (candidate, base, best)
        if side is not None
        for each in side.evaluations.values()
        if each.about.form == "remote"
    ]
    trained = {on.snapshot for on in judged.trained.snapshots}
    regression = candidate.evaluations.get("regression")
    if regression is not None and regression.about.snapshot not in (None, *trained):
        notes.append(
            f"the task was measured on the test split of {str(regression.about.snapshot)[:12]}, and the candidate was "
            "trained on another snapshot"
        )
    if judged.folder is None:
        notes.append("the candidate's files are not on this machine: its digest stands for them")
    return Sides(candidate, base, best, tuple(dict.fromkeys(notes)))


class _Opened:
    """Evaluations of the store that the policy is about, each opened once."""

    def __init__(self, ledger: Ledger, trust: Trust, policy: PromotionPolicy) -> None:
        self.ledger, self.trust, self.policy = ledger, trust, policy
        self.erasures = trusted_erasures(ledger.all(), trust)

    def of(self, model: str) -> list[Evaluated]:
        """A model's, the youngest first."""
        found = []
        for one in reversed(find_evaluations(self.ledger, self.trust, model)):
            each = open_evaluation(self.ledger, one, self.erasures)
            if each.about.suite not in self.policy.suites:
                continue
            if each.about.form == "remote" and self.policy.form.remote == "refuse":
                raise NotJudged(
                    f"{each.about.name} was scored behind a URL, and nobody can check which weights answered",
                    where=self.policy.place("remote"),
                    remedy="score its files (gate eval FOLDER), or write `remote: allow` into the policy",
                )
            found.append(each)
        return found


def _side(role: Literal["base", "champion"], name: str, model: str, candidate: Side, opened: _Opened) -> Side:
    """A model's evaluations that fit the candidate's best: the same tasks under the same settings, the youngest."""
    found = opened.of(model)
    chosen = _chosen(found, candidate.evaluations)
    repeats: dict[str, Evaluated] = {}
    prompts: dict[tuple[str, str], Evaluated] = {}
    for each in found if role == "base" else []:
        suite = each.about.suite
        if each.about.prompts is not None and each.about.repeat is None:
            prompts.setdefault((suite, each.about.prompts), each)
        elif each.about.repeat is not None and suite in chosen:
            first = chosen[suite].statement.digest
            if each.about.repeat == first or (suite not in repeats and _fits(each, chosen[suite]) == (True, True)):
                repeats[suite] = each
    fitting = tuple(each for each in prompts.values() if each.about.suite in candidate.evaluations)
    return Side(role, name, model, chosen, repeats, fitting)


def _chosen(found: Iterable[Evaluated], wanted: Mapping[str, Evaluated]) -> dict[str, Evaluated]:
    """Of each suite the evaluation that fits best; of several the youngest, which comes first."""
    best: dict[str, Evaluated] = {}
    for each in found:
        if each.about.prompts is not None or each.about.repeat is not None:
            continue
        suite = each.about.suite
        other = wanted.get(suite)
        if suite not in best or (other is not None and _fits(each, other) > _fits(best[suite], other)):
            best[suite] = each
    return best


def _fits(one: Evaluated, other: Evaluated) -> tuple[bool, bool]:
    """Whether it has every task of the other, by digest, and was run alike."""
    own = {each.document for each in one.about.tasks}
    return {each.document for each in other.about.tasks} <= own, one.about.settings == other.about.settings
