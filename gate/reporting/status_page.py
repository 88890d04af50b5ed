"""How a snapshot stands now, as one self-contained HTML page: what people said of it, and what would change it.

The report that was sealed with the snapshot (`gate.reporting.sealing`) never changes; this page is made anew each time
and says as of when. Names, notes and reasons on it are what people wrote, and do nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gate.folders import Folders
from gate.provenance.moments import minute_of
from gate.provenance.standing import Standing, Status
from gate.provenance.statements import Admission, Review, Statement, Waiver
from gate.provenance.trust import Demand, Trust, roles_text
from gate.reporting.html import rendered
from gate.reporting.inert import one_line

_TITLES: dict[Status, tuple[str, str]] = {
    "approved": ("Approved", "passed"),
    "waiting": ("Waiting for approval", "warned"),
    "rejected": ("Rejected", "failed"),
    "revoked": ("Revoked", "failed"),
    "expired": ("Expired", "failed"),
    "erased": ("Erased in part", "failed"),
}
"""What a person calls a status, and the colour of its edge."""
SHOWN = 500
"""Statements on the page, and as many that do not count."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was said of the snapshot and counts."""

    kind: str
    by: str
    at: str
    said: str
    """A note, a reason, or counts; empty where there is none."""
    statement: str
    edge: str
    """passed, warned, failed or skipped."""


@dataclass(frozen=True, slots=True)
class WaiverLine:
    """A waiver that the admission rests on."""

    rule: str
    findings: int
    by: str
    until: str
    over: bool
    why: str
    statement: str


@dataclass(frozen=True, slots=True)
class StatusPage:
    """What the page shows."""

    title: str
    edge: str
    name: str
    names: tuple[str, ...]
    """`NAME@NUMBER`: what the snapshot is or was called."""
    standing: Standing
    about: Admission
    at: str
    """As of when, as statements write time."""
    trust: Trust
    demand: str
    """What it takes to approve it."""
    events: tuple[Event, ...]
    """The oldest first."""
    events_total: int
    waivers: tuple[WaiverLine, ...]
    ignored: tuple[str, ...]
    ignored_total: int
    changes: tuple[str, ...]
    """What would change how it stands, as sentences."""


def to_status_html(
    standing: Standing,
    trust: Trust,
    at: str,
    *,
    names: Sequence[str] = (),
    reviews: Sequence[Statement] = (),
    folders: Folders | None = None,
) -> str:
    """Render `reports/templates/status.html.j2`.

    Args:
        standing: of the snapshot, at that moment.
        at: as statements write time.
        names: `NAME@NUMBER` of each ref that points at it.
        reviews: those that the admission rests on.

    Raises:
        GateError: a user's own template cannot be used.
    """
    page = status_page(standing, trust, at, names=names, reviews=reviews)
    return rendered("status.html.j2", folders or Folders(), page=page)


def status_page(
    standing: Standing, trust: Trust, at: str, *, names: Sequence[str] = (), reviews: Sequence[Statement] = ()
) -> StatusPage:
    """Choose what is shown; arguments as for `to_status_html`."""
    about = standing.admission.about
    assert isinstance(about, Admission)
    title, edge = _TITLES[standing.status]
    demand = trust.demand("snapshot")
    said = [
        _event(standing.admission, "skipped"),
        *(_event(each, "skipped") for each in reviews),
        *(_event(each, "passed") for each in standing.approvals),
        *(_event(each, "failed") for each in (*standing.rejections, *standing.revocations, *standing.erasures)),
    ]
    events = sorted(said, key=lambda each: (each.at, each.statement))
    return StatusPage(
        title=title,
        edge=edge,
        name=about.name,
        names=tuple(names),
        standing=standing,
        about=about,
        at=at,
        trust=trust,
        demand=_demand(demand),
        events=tuple(events[:SHOWN]),
        events_total=len(events),
        waivers=tuple(_waiver(each, at) for each in standing.waivers),
        ignored=standing.ignored[:SHOWN],
        ignored_total=len(standing.ignored),
        changes=tuple(_changes(standing, demand, at)),
    )


def _event(statement: Statement, edge: str) -> Event:
    about = statement.about
    said = getattr(about, "why", "") or getattr(about, "note", "")
    if isinstance(about, Admission):
        said = about.reason
    if isinstance(about, Review):
        said = f"{about.sampled:,} sampled: {about.good:,} good, {about.bad:,} bad"
    return Event(statement.kind, statement.author, statement.made, said, statement.digest, edge)


def _waiver(statement: Statement, at: str) -> WaiverLine:
    about = statement.about
    assert isinstance(about, Waiver)
    over = about.until <= at
    return WaiverLine(about.rule, len(about.findings), statement.author, about.until, over, about.why, statement.digest)


def _demand(demand: Demand) -> str:
    if demand.count == 0:
        return "none"
    people = "1" if demand.count == 1 else f"{demand.count} by different people"
    return f"{people}, each by {roles_text(demand.roles)}{'' if demand.by_author else ', never by who admitted it'}"


def _changes(standing: Standing, demand: Demand, at: str) -> list[str]:
    """What a person may do, or what time will."""
    approve = f"gate approve {standing.admission.digest[:12]}"
    if standing.status == "erased":
        return [
            "Nothing: some of its examples are gone for good. Admit the data without them: that is another snapshot."
        ]
    if standing.status == "revoked":
        return [
            "Nothing: a revocation is for good, whoever admits or approves the same again. Mend the data, and admit "
            "what comes of it."
        ]
    if standing.status == "expired":
        return ["Mend what the waiver covered, or have it waived anew, and admit the data again."]
    if standing.status == "rejected":
        who = ", ".join(dict.fromkeys(one_line(each.author, 80) for each in standing.rejections))
        return [f"An approval by {who} in place of the rejection ({approve}); or mend the data, and admit that."]
    by = roles_text(demand.roles)
    found = []
    if standing.status == "waiting":
        other = "" if demand.by_author else f" other than {one_line(standing.admission.author, 80)}"
        found.append(f"An approval by {by}{other}: {approve}")
    found += [
        f"On {minute_of(waiver.about.until)} the waiver of {one_line(waiver.about.rule, 80)} is over: from then on "
        "nothing new may rest on the snapshot."
        for waiver in standing.waivers
        if isinstance(waiver.about, Waiver) and waiver.about.until > at
    ]
    return [*dict.fromkeys(found), f"A rejection by {by}, a revocation, or the erasure of an example in it."]
