"""The reviewer's report of a promotion, as one self-contained HTML file: what was decided and why, what it rests on,
and everything that somebody who signs it wants to have seen.

What a model says is untrusted: texts are masked, cut and inert before the template escapes them, and the page's policy
runs no script but gate's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gate.folders import Folders
from gate.promotion.decided import CriterionChange, Decided, Side
from gate.provenance.moments import minute_of
from gate.provenance.statements import Waiver
from gate.provenance.trust import roles_text
from gate.reporting.charts import Chart
from gate.reporting.html import rendered
from gate.reporting.inert import inert, one_line
from gate.reporting.promotion_changed import AllChanged, Limits, changed, counted
from gate.reporting.promotion_charts import Forest, forests, learned
from gate.reporting.promotion_forgetting import Forgetting, forgetting
from gate.reporting.promotion_limits import limitations
from gate.reporting.promotion_lines import EDGES, VERDICTS, Line, lines
from gate.reporting.promotion_reading import AllReading, reading
from gate.reporting.promotion_told import Told
from gate.reporting.run_page import curves, duration, examples

LARGEST = 5_000_000
"""Bytes of a report; where the samples are larger, smaller ones are taken."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why it was decided so, and what would change that."""

    said: str
    change: str | None


@dataclass(frozen=True, slots=True)
class WaiverLine:
    """An exception that the decision rests on."""

    rule: str
    by: str
    until: str
    over: bool
    why: str
    statement: str


@dataclass(frozen=True, slots=True)
class SignOff:
    """Who has to approve it, and how."""

    needed: str
    """In words."""
    people: tuple[str, ...]
    approvals: tuple[tuple[str, str, str], ...]
    """By whom, when, with which note."""
    commands: tuple[tuple[str, str], ...]
    """What it does, and what to type."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the report shows, chosen and in words. The JSON twin is made of the same."""

    decided: Decided
    told: Told
    word: str
    edge: str
    reasons: tuple[Reason, ...]
    lines: tuple[Line, ...]
    """Against the base, prompts, and limits: what failed first."""
    champion_lines: tuple[Line, ...]
    forgetting: Forgetting
    changed: AllChanged
    reading: AllReading
    limitations: tuple[str, ...]
    waivers: tuple[WaiverLine, ...]
    criteria: str
    """Whether what was demanded is what was declared before training, in a sentence."""
    criteria_changes: tuple[CriterionChange, ...]
    sign_off: SignOff
    identity: tuple[tuple[str, str, str], ...]
    """What, its name, its digest."""

    @property
    def counts(self) -> dict[str, int]:
        """Gated demands by how they ended."""
        gated = [line for line in (*self.lines, *self.champion_lines) if line.outcome.gated]
        return {
            "met": sum(line.outcome.verdict == "pass" for line in gated),
            "not met": sum(line.outcome.verdict == "fail" for line in gated),
            "not settled": sum(line.outcome.verdict == "inconclusive" for line in gated),
        }


def to_promotion_html(decided: Decided, told: Told | None = None, folders: Folders | None = None) -> str:
    """Render `reports/templates/promotion.html.j2`; at most 5 MB, what was left out said.

    Raises:
        GateError: a user's own template or chart spec cannot be used.
    """
    folders, told, limits = folders or Folders(), told or Told(), Limits()
    shown = promotion_page(decided, told, limits)
    drawn = forests([*shown.lines, *shown.champion_lines], folders)
    plot, curves_ = learned(shown.forgetting.points, folders), curves(told.history, folders)
    while True:
        html = _render(shown, drawn, plot, curves_, folders)
        size = len(html.encode())
        smaller = limits.scaled(min(0.9, 0.9 * LARGEST / size))
        if size <= LARGEST or smaller == limits:
            return html
        limits = smaller
        shown = promotion_page(decided, told, limits)


def _render(page: Page, drawn: Sequence[Forest], plot: Chart | None, curves_: Sequence[Chart], folders: Folders) -> str:
    from markupsafe import Markup

    return rendered(
        "promotion.html.j2",
        folders,
        behaviour="promotion.js",
        page=page,
        decided=page.decided,
        told=page.told,
        forests=drawn,
        plot=plot,
        curves=curves_,
        previewed=list(examples(page.told.preview)),
        training=page.decided.trained,
        duration=duration,
        changes=counted(page.changed),
        inert=inert,
        sentence=sentence,
        svg=Markup,  # safe: drawings of our own; labels in them were escaped by what drew them
    )


def promotion_page(decided: Decided, told: Told, limits: Limits | None = None) -> Page:
    """Choose what is shown."""
    limits = limits or Limits()
    every = lines(decided.outcomes, decided.alpha)
    forgot = forgetting(decided, told.history)
    champion = None if decided.champion is None else decided.champion.evaluations
    return Page(
        decided=decided,
        told=told,
        word=VERDICTS[decided.verdict],
        edge=EDGES[decided.verdict],
        reasons=_reasons(decided),
        lines=tuple(line for line in every if line.outcome.against != "champion"),
        champion_lines=tuple(line for line in every if line.outcome.against == "champion"),
        forgetting=forgot,
        changed=changed(decided.candidate.evaluations, decided.base.evaluations, champion, limits),
        reading=reading(decided, told.marks, limits),
        limitations=tuple(limitations(decided, told, forgot)),
        waivers=tuple(_waivers(decided)),
        criteria=_criteria(decided),
        criteria_changes=decided.criteria_changes,
        sign_off=_sign_off(decided, told),
        identity=tuple(_identity(decided, told)),
    )


def _reasons(decided: Decided) -> tuple[Reason, ...]:
    change: list[str | None] = [*decided.would_change]
    change += [None] * (len(decided.reasons) - len(change))
    said = zip(decided.reasons, change, strict=False)
    return tuple(Reason(one_line(why, 800), None if then is None else one_line(then, 800)) for why, then in said)


def _waivers(decided: Decided) -> list[WaiverLine]:
    found = []
    for each in decided.waivers:
        if isinstance(each.about, Waiver):
            over, by = each.about.until <= decided.made, one_line(each.author, 80)
            why = one_line(each.about.why, 400)
            found.append(WaiverLine(one_line(each.about.rule, 120), by, each.about.until, over, why, each.digest))
    return found


def _criteria(decided: Decided) -> str:
    if not decided.criteria_declared:
        return "No success criteria were declared before training: what is demanded here was chosen afterwards."
    if decided.criteria_changes:
        n = len(decided.criteria_changes)
        what = "1 criterion was" if n == 1 else f"{n} criteria were"
        return f"{what} changed after training; each is shown with what was declared."
    return "What is demanded here is what was declared before training, unchanged."


def _identity(decided: Decided, told: Told) -> list[tuple[str, str, str]]:
    trained = decided.trained
    found = [
        ("candidate", f"{decided.candidate.name} ({trained.objective} by {trained.method})", decided.candidate.model),
        ("its training", "statement", decided.training.digest),
        ("base", trained.base_name, decided.base.model),
    ]
    if decided.champion is not None:
        found.append(("champion", decided.champion.name, decided.champion.model))
    elif decided.first:
        found.append(("champion", "none yet: this is the first promotion", ""))
    found += [("snapshot" if use.role == "train" else use.role, use.name, use.snapshot) for use in trained.snapshots]
    found.append(("policy", str(decided.policy.get("description") or "as applied"), decided.policy_digest))
    if told.promotion is not None:
        found.append(("promotion", "this decision's statement", told.promotion))
    sides: list[Side] = [decided.candidate, decided.base, *([decided.champion] if decided.champion else [])]
    found += [
        ("evaluation", f"{side.role} on {suite}", each.statement.digest)
        for side in sides
        for suite, each in side.evaluations.items()
    ]
    return [(what, one_line(name, 160), digest) for what, name, digest in found]


def _sign_off(decided: Decided, told: Told) -> SignOff:
    demand = told.demand
    people = "1 approval" if demand.count == 1 else f"{demand.count} approvals by different people"
    others = "" if demand.by_author else ", never by who asked for the promotion"
    needed = "No approval is needed." if demand.count == 0 else f"{people}, by {roles_text(demand.roles)}{others}."
    name = told.promotion[:12] if told.promotion else decided.candidate.name
    commands = {
        "pass": (
            ("stand behind it", f"gate approve {name}"),
            ("say no", f"gate reject {name} --why '…'"),
            ("then make it the champion", f"gate promote {decided.candidate.name}"),
        ),
        "fail": (),
        "inconclusive": (),
    }[decided.verdict]
    given = tuple(
        (one_line(each.author, 80), minute_of(each.made), one_line(str(getattr(each.about, "note", "")), 300))
        for each in told.approvals
    )
    return SignOff(needed, tuple(one_line(each, 80) for each in told.approvers), given, commands)


def sentence(text: str) -> str:
    """A warning as a sentence of its own."""
    said = one_line(text, 600)
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")
