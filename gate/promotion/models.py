"""The models that a store knows: what each was made of, what was decided of it, how it stands; and two side by side."""

from __future__ import annotations

from dataclasses import dataclass

from gate.errors import UsageError
from gate.evaluation.results import Evaluated, find_evaluations, open_evaluation
from gate.promotion.champion import history
from gate.promotion.comparison import Comparison
from gate.promotion.naming import find_model, find_promotion, nothing_called, promotions, vouched
from gate.provenance.ledger import Ledger
from gate.provenance.model_standing import ModelStanding, model_standing
from gate.provenance.statements import Evaluation, ModelRef, Promotion, Release, Statement, Training
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.sealed_objects import trusted_erasures


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was trained or judged, and how it stands."""

    name: str
    model: str
    """Its digest."""
    training: Statement | None
    """None: it is not in this store, or by nobody who is trusted."""
    evaluations: tuple[Statement, ...]
    """The oldest first."""
    promotions: tuple[Statement, ...]
    """What was decided of it, the oldest first."""
    stands: ModelStanding | None
    """How the last of them stands, where it passed; None where nobody said whom to trust."""
    refs: tuple[Statement, ...]
    """The names that it was given, the oldest first."""
    champion_of: tuple[str, ...]
    """The names that it has now."""
    revoked: bool

    @property
    def last(self) -> Promotion | None:
        """The last decision."""
        about = self.promotions[-1].about if self.promotions else None
        return about if isinstance(about, Promotion) else None

    @property
    def state(self) -> str:
        """In a word: `champion`, `revoked`, a verdict, how a pass stands, or `not judged`."""
        if self.revoked:
            return "revoked"
        if self.champion_of:
            return ", ".join(self.champion_of)
        if self.last is None:
            return "not judged"
        if self.last.verdict != "pass":
            return self.last.verdict
        if self.refs:
            return "was champion"
        return self.stands.status if self.stands is not None else "pass"


@dataclass(frozen=True, slots=True)
class ModelList:
    """The models of a store, the youngest first."""

    models: tuple[Model, ...]
    history: tuple[Statement, ...]
    """Refs to models, the youngest first."""
    trusted: bool
    """Whether a trust file said whose word counts."""


def every_model(ledger: Ledger, trust: Trust | None) -> ModelList:
    """Every model that was trained or judged, the youngest first.

    Args:
        trust: only the word of these people counts; everybody's, where nobody says whom to trust.

    Raises:
        Damaged: a statement or ref in the store is none.
    """
    said = [one for one in ledger.all() if isinstance(one.about, Training | Promotion) and _counts(trust, one)]
    digests = list(dict.fromkeys(_model(one) for one in reversed(said)))
    refs = _refs(ledger, trust)
    models = tuple(_of(ledger, trust, digest, refs) for digest in digests)
    return ModelList(models, tuple(sorted(refs, key=lambda ref: ref.made, reverse=True)), trust is not None)


def one_model(ledger: Ledger, trust: Trust | None, what: str) -> Model:
    """One model: by its run, its digest, a name that it has, or a promotion.

    Raises:
        UsageError: there is none, or more than one.
    """
    promotion = find_promotion(ledger, what)
    model = _model(promotion) if promotion is not None else find_model(ledger, what)
    if model is None:
        raise nothing_called(ledger, what)
    return _of(ledger, trust, model, _refs(ledger, trust))


@dataclass(frozen=True, slots=True)
class Row:
    """A metric of a task, as both models scored it."""

    suite: str
    task: str
    metric: str
    one: float
    other: float
    comparison: Comparison | None
    """`other` against `one`, with a margin of 0; None where they cannot be compared."""
    why_not: str | None
    """Then: why."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Two models side by side."""

    one: str
    other: str
    rows: tuple[Row, ...]
    alone: tuple[tuple[str, str], ...]
    """Suites and tasks that only one of them was scored on."""


def compared(ledger: Ledger, trust: Trust, one: str, other: str, alpha: float) -> Compared:
    """Two models by what they were scored on, task by task, from stored evaluations.

    Args:
        one, other: candidates, champions or bases: a run, a name, a digest, or how a base was named when scored.
        alpha: of each one-sided bound.

    Raises:
        UsageError: there is no such model, or it was not scored.
        Damaged: an evaluation is not what its statement says.
    """
    from gate.promotion.compare import compare
    from gate.promotion.pairing import PairingError, pair

    first, second = (_evaluated(ledger, trust, each) for each in (one, other))
    rows: list[Row] = []
    alone: list[tuple[str, str]] = []
    for suite in dict.fromkeys([*first, *second]):
        before = first[suite].tasks if suite in first else {}
        after = second[suite].tasks if suite in second else {}
        alone += [(suite, task) for task in sorted(before.keys() ^ after.keys())]
        for task in before.keys() & after.keys() if suite in first and suite in second else ():
            metric = after[task].document.metric(after[task].document.primary)
            values = [each[task].scores.scores.get(metric.name, float("nan")) for each in (before, after)]
            found, why = None, None
            if first[suite].about.settings != second[suite].about.settings:
                why = "they were run with other settings"
            else:
                try:
                    pairs = pair(before[task], after[task], metric.name)
                    found = compare(
                        pairs.before, pairs.after, binary=metric.binary, higher_is_better=metric.higher_is_better,
                        margin=0.0, alpha=alpha, clusters=pairs.clusters,
                    )  # fmt: skip
                except PairingError as error:
                    why = error.what
            rows.append(Row(suite, task, metric.name, values[0], values[1], found, why))
    rows.sort(key=lambda row: (row.suite, row.task))
    return Compared(one, other, tuple(rows), tuple(alone))


def _counts(trust: Trust | None, one: Statement) -> bool:
    return trust is None or vouched(trust, one)


def _model(one: Statement) -> str:
    assert isinstance(one.about, Training | Promotion | Evaluation | Release)
    return one.about.model


def _refs(ledger: Ledger, trust: Trust | None) -> list[Statement]:
    return [ref for name in ledger.store.refs() for ref in history(ledger, trust, name)]


def _of(ledger: Ledger, trust: Trust | None, model: str, refs: list[Statement]) -> Model:
    every = [one for one in ledger.all() if _counts(trust, one)]
    trained = [one for one in every if isinstance(one.about, Training) and one.about.model == model]
    judged = promotions(ledger, trust, model)
    scored = [one for one in every if isinstance(one.about, Evaluation) and one.about.model == model]
    stands = None
    if trust is not None and judged and judged[-1].about.verdict == "pass":  # type: ignore[attr-defined]  # promotions
        try:
            stands = model_standing(ledger, trust, judged[-1])
        except Untrusted:
            stands = None
    own = [ref for ref in refs if isinstance(ref.about, ModelRef) and ref.about.model == model]
    last = {ref.about.name: ref for ref in refs if isinstance(ref.about, ModelRef)}
    called = [one.about for one in (*trained, *judged, *scored)]
    named = [about.name for about in called if isinstance(about, Training | Promotion | Evaluation)]
    revoked = any(one.kind == "revocation" and getattr(one.about, "snapshot", None) == model for one in every)
    return Model(
        name=named[0] if named else model[:12],
        model=model,
        training=trained[0] if trained else None,
        evaluations=tuple(scored),
        promotions=tuple(judged),
        stands=stands,
        refs=tuple(own),
        champion_of=tuple(sorted(name for name, ref in last.items() if ref in own)),
        revoked=revoked,
    )


def _evaluated(ledger: Ledger, trust: Trust, what: str) -> dict[str, Evaluated]:
    """What a model scored, by suite: the youngest evaluation of each that is no repeat and no prompt baseline."""
    model = find_model(ledger, what)
    if model is None:  # a base has no other name than the one that it was scored under
        named = [one for one in ledger.all() if isinstance(one.about, Evaluation) and one.about.name == what]
        model = _model(named[-1]) if named else None
    if model is None:
        raise nothing_called(ledger, what)
    erasures = trusted_erasures(ledger.all(), trust)
    found: dict[str, Evaluated] = {}
    for one in find_evaluations(ledger, trust, model):
        about = one.about
        assert isinstance(about, Evaluation)
        if about.prompts is None and about.repeat is None:
            found[about.suite] = open_evaluation(ledger, one, erasures)
    if not found:
        raise UsageError(f"{what[:100]} was not scored", remedy=f"gate eval {what[:100]}")
    return found
