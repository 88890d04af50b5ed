"""From evaluations and a policy to a verdict: every demand judged, waivers applied, reasons in the order of weight.

Nothing is read and nothing is written here. What is missing is an error that says all of it at once; a verdict is only
reached where everything that the policy demands could be judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gate.evaluation.results import Evaluated
from gate.promotion.covered import Pairing, Problem, matching, not_judged, pairings
from gate.promotion.criteria import criteria_changes
from gate.promotion.decided import Against, Decided, Outcome, Side, Verdict
from gate.promotion.judge import WHOSE, check_possible, judged, limited
from gate.promotion.policy import PromotionPolicy
from gate.promotion.policy_form import DemandForm, LimitForm
from gate.promotion.reasons import reasons_of
from gate.promotion.waived import with_waivers
from gate.provenance.moments import minute_of
from gate.provenance.statements import Statement, Waiver


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a decision rests on, all of it verified."""

    candidate: Side
    base: Side
    champion: Side | None
    first: bool
    """Somebody said --first."""
    training: Statement
    declared: PromotionPolicy | None
    """The criteria that were bound before training."""
    waivers: tuple[Statement, ...] = ()
    """That hold now, by people whose word counts."""
    split_uses: Mapping[str, int] | None = None
    """Different candidates that were scored on the test split of each snapshot, this one included."""
    others: tuple[Mapping[str, object], ...] = ()
    """Earlier promotions, oldest first."""
    notes: tuple[str, ...] = ()
    """Warnings that were found while gathering."""


def decide(evidence: Evidence, policy: PromotionPolicy, *, made: str) -> Decided:
    """Judge a candidate.

    Args:
        made: the moment of the decision, as statements write time.

    Raises:
        NotJudged: something that the policy demands was not scored, or cannot be compared.
        PolicyError: a demand that can never be met.
    """
    judging = _Judging(evidence, policy)
    for demand in policy.demands:
        judging.demand(demand)
    for limit in policy.limits:
        judging.limit(limit)
    judging.uses()
    if judging.problems:
        raise not_judged(judging.problems)
    outcomes = with_waivers(judging.outcomes, evidence.candidate.model, policy.form.waivable, evidence.waivers)
    if not any(each.gated for each in outcomes):
        raise not_judged([Problem("no demand of the policy could be judged, and nothing passes because of that")])
    outcomes = _with_holm(outcomes)
    verdict = verdict_of(outcomes)
    used = {each.waiver for each in outcomes if each.waiver is not None}
    waivers = tuple(each for each in evidence.waivers if each.digest in used)
    reasons, would_change = reasons_of(verdict, outcomes)
    changes = criteria_changes(evidence.declared, policy) if evidence.declared is not None else ()
    return Decided(
        verdict=verdict,
        reasons=reasons,
        would_change=would_change,
        outcomes=tuple(outcomes),
        candidate=evidence.candidate,
        base=evidence.base,
        champion=evidence.champion,
        first=evidence.first,
        training=evidence.training,
        policy=policy.document(),
        policy_digest=policy.digest(),
        criteria_changes=changes,
        criteria_declared=evidence.declared is not None,
        warnings=(*judging.warnings, *evidence.notes, *map(_waived, waivers)),
        split_uses=dict(evidence.split_uses or {}),
        others=evidence.others,
        waivers=waivers,
        alpha=policy.form.alpha,
        made=made,
    )


def verdict_of(outcomes: Sequence[Outcome]) -> Verdict:
    """What gated outcomes come to: all have to pass. So no multiplicity is corrected for: that each of k true nulls
    passes is no likelier than that one does (an intersection-union test; Berger 1982, theorem 1)."""
    counting = [each.verdict for each in outcomes if each.gated and each.waiver is None]
    if "fail" in counting:
        return "fail"
    # Where everything that could count was waived, nothing is known.
    return "inconclusive" if "inconclusive" in counting or not counting else "pass"


def _waived(one: Statement) -> str:
    assert isinstance(one.about, Waiver)
    return f"{one.about.rule} was waived by {one.author} until {minute_of(one.about.until)}: {one.about.why}"


def _with_holm(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The p-values of "there is no difference", adjusted over all comparisons of the report, each once."""
    from gate.promotion.mcnemar import holm

    compared = {_compared(each): each.comparison.p_difference for each in outcomes if each.comparison is not None}
    adjusted = dict(zip(compared, holm(list(compared.values())), strict=True))
    return [each if each.comparison is None else replace(each, holm=adjusted[_compared(each)]) for each in outcomes]


def _compared(outcome: Outcome) -> tuple[str, str, str, str]:
    return outcome.suite, outcome.task.task, outcome.metric, outcome.against or ""


class _Judging:
    """One decision while it is made: outcomes, and what is in the way of them."""

    def __init__(self, evidence: Evidence, policy: PromotionPolicy) -> None:
        self.evidence, self.policy = evidence, policy
        self.outcomes: list[Outcome] = []
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def demand(self, demand: DemandForm) -> None:
        """Judge a demand against everybody that it names."""
        after = self.evidence.candidate.evaluations.get(demand.suite)
        if after is None:
            command = f"gate eval {self.evidence.candidate.name} --suite {demand.suite}"
            self._absent(demand, f"the candidate was not scored on {demand.suite}", command)
            return
        for against in self._whom(demand):
            found: list[Pairing] = []
            for before, whose, evaluate in self._others(demand, against):
                some, problems = pairings(
                    demand, before.tasks, after.tasks, whose=whose, evaluate=evaluate, other_prompts=against == "prompt"
                )
                problems = problems or self._alike(before, after, whose, evaluate, against)
                self.problems += problems
                found += [] if problems else some
            for each in _best(found) if against == "prompt" else found:
                self._judge(demand, each, against)

    def limit(self, limit: LimitForm) -> None:
        """Judge a limit on each figure that it names."""
        from gate.evaluation.figures import figures_of

        candidate, base = self.evidence.candidate, self.evidence.base
        evaluated = candidate.evaluations.get(limit.suite)
        if evaluated is None:  # a figure may have nothing to be computed from; a suite can always be scored
            if limit.gated:
                command = f"gate eval {candidate.name} --suite {limit.suite}"
                self.problems.append(Problem(f"the candidate was not scored on {limit.suite}", command))
            return
        figures, tasks = figures_of(evaluated, base.evaluations.get(limit.suite)), evaluated.tasks
        named = set(matching(tasks, limit.tasks))
        found = [each for each in figures if each.name == limit.figure and each.task in named]
        if not found:
            what = f"there is no figure {limit.figure} of {limit.suite}, which limit {limit.id} is about"
            if limit.if_absent == "allow":
                self.warnings.append(f"{what}: it was left out")
            else:
                self.problems.append(Problem(what, f"gate eval {candidate.name} --suite {limit.suite}"))
        place = self.policy.place(f"limits.{limit.id}")
        self.outcomes += [limited(limit, each, tasks[each.task].document, place) for each in found]

    def uses(self) -> None:
        """Warn of, or refuse, a test split that was used too often."""
        rules = self.policy.form.test_uses
        for snapshot, count in (self.evidence.split_uses or {}).items():
            said = f"the test split of {snapshot[:12]} was used for {count:,} candidates, this one included"
            if rules.block is not None and count >= rules.block:
                self.problems.append(Problem(f"{said}, and the policy takes no more than {rules.block - 1:,}"))
            elif rules.warn is not None and count >= rules.warn:
                self.warnings.append(f"{said}: what was chosen by it looks better on it than it is")

    def _absent(self, demand: DemandForm, what: str, remedy: str | None) -> None:
        if demand.required and demand.gated:
            self.problems.append(Problem(what, remedy))
        else:
            self.warnings.append(f"{what}: demand {demand.id} was left out")

    def _whom(self, demand: DemandForm) -> list[Against]:
        if demand.against == "both":
            return ["base", "champion"]
        return [demand.against]

    def _others(self, demand: DemandForm, against: Against) -> list[tuple[Evaluated, str, str]]:
        """The evaluations to compare with, how sentences call whose they are, and the command that makes them."""
        evidence, suite = self.evidence, demand.suite
        if against == "prompt":
            prompts = [each for each in evidence.base.prompts if each.about.suite == suite]
            command = f"gate eval {evidence.base.name} --suite {suite} --shots 0,5"
            if not prompts:
                self._absent(demand, f"the base was not scored on {suite} under other prompts", command)
            return [(each, WHOSE["prompt"], command) for each in prompts]
        side = evidence.base if against == "base" else evidence.champion
        if side is None:
            return []  # there is none yet, and somebody said so: the report does, too
        command = f"gate eval {side.name} --suite {suite}"
        found = side.evaluations.get(suite)
        if found is None:
            self._absent(demand, f"{WHOSE[against]} was not scored on {suite}", command)
            return []
        return [(found, WHOSE[against], command)]

    def _alike(self, before: Evaluated, after: Evaluated, whose: str, evaluate: str, against: Against) -> list[Problem]:
        """That both models were run alike."""
        one, other = (each.settings.model_dump(mode="json") for each in (before, after))
        prompting = ("shots", "system") if against == "prompt" else ()
        differ = [key for key in other if one[key] != other[key] and key not in prompting]
        suite = after.about.suite
        if differ:
            listed = ", ".join(f"{key} {other[key]} against {one[key]}" for key in differ)
            return [Problem(f"the candidate and {whose} were not run alike on {suite}: {listed}", evaluate)]
        if before.about.environment != after.about.environment:
            what = f"the candidate and {whose} were scored on {suite} with other libraries or on another machine"
            if self.policy.form.environments == "block":
                return [Problem(what, evaluate)]
            self._warn(what)
        return []

    def _warn(self, said: str) -> None:
        if said not in self.warnings:
            self.warnings.append(said)

    def _judge(self, demand: DemandForm, pairing: Pairing, against: Against) -> None:
        from gate.promotion.compare import compare
        from gate.promotion.pairing import PairingError, pair

        whose, place = WHOSE[against], self.policy.place(f"demands.{demand.id}")
        differ = self.policy.form.prompts_may_differ or against == "prompt"
        metric, alpha = pairing.metric, self.policy.form.alpha
        try:
            pairs = pair(pairing.before, pairing.after, metric.name, prompts_may_differ=differ)
        except PairingError as error:
            self.problems.append(Problem(f"not to be compared with {whose}: {error.what}", error.remedy, error.where))
            return
        if pairs.prompts_differ and against != "prompt":
            self._warn(
                f"{pairs.prompts_differ:,} of {pairs.n:,} prompts of {pairs.task} are not those of {whose}: another "
                "chat template or tokenizer, which the policy allows"
            )
        check_possible(demand, pairing, len(pairs.before), alpha, place, pairs.clusters is not None)
        document = pairing.after.document
        comparison = compare(
            pairs.before,
            pairs.after,
            binary=metric.binary,
            higher_is_better=metric.higher_is_better,
            margin=-demand.better.by if demand.better is not None else pairing.margin or 0.0,
            alpha=alpha,
            clusters=pairs.clusters,
            chance=document.chance if metric.name == document.primary else None,
            noise=self._noise(demand, pairing),
        )
        self.outcomes.append(judged(demand, pairing, comparison, against, whose, place))

    def _noise(self, demand: DemandForm, pairing: Pairing) -> float | None:
        """What a repeat of the base on the same task showed; None where there is none."""
        from gate.promotion.noise import noise_of
        from gate.promotion.pairing import pair

        base, suite = self.evidence.base, demand.suite
        first, again = base.evaluations.get(suite), base.repeats.get(suite)
        if first is None or again is None:
            if self.policy.form.repeat.required:
                remedy = f"gate eval {base.name} --suite {suite} --repeat"
                self.problems.append(Problem(f"the base was not scored twice on {suite}", remedy))
            return None
        if demand.together:  # the same tasks, pooled in the same way
            own, _ = pairings(demand, first.tasks, again.tasks, whose=WHOSE["base"], evaluate="")
            same = [each for each in own if each.after.document.task == pairing.after.document.task]
        else:
            task = pairing.after.document.task
            same = (
                [Pairing(first.tasks[task], again.tasks[task], pairing.metric, None)]
                if task in first.tasks and task in again.tasks
                else []
            )
        if not same:
            if self.policy.form.repeat.required:
                self.problems.append(Problem(f"the base was not scored twice on {pairing.after.document.task}"))
            return None
        pairs = pair(same[0].before, same[0].after, same[0].metric.name, prompts_may_differ=False)
        noise = noise_of(pairs.before, pairs.after, alpha=self.policy.form.alpha, clusters=pairs.clusters)
        if noise:
            self._warn(f"{pairs.task} did not repeat itself on the base: its intervals are wider for it")
        return noise


def _best(found: Sequence[Pairing]) -> list[Pairing]:
    """Of each task the prompts under which the base did best."""
    best: dict[str, Pairing] = {}
    for each in found:
        task = each.after.document.task
        if task not in best or _level(each) > _level(best[task]):
            best[task] = each
    return list(best.values())


def _level(pairing: Pairing) -> float:
    level = pairing.before.scores.scores.get(pairing.metric.name, float("-inf"))
    return level if pairing.metric.higher_is_better else -level
