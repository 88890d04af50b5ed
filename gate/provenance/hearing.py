"""What trusted people have said of a statement: of everything that was said, only what counts is heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from gate.provenance.moments import minute_of
from gate.provenance.statements import About, Admission, Approval, Promotion, Rejection, Review, Statement, Waiver
from gate.provenance.trust import Demand, Trust, Untrusted, roles_text
from gate.store.objects import Damaged

A = TypeVar("A", bound=About)
Status = Literal["approved", "waiting", "rejected", "revoked", "expired", "erased"]


@dataclass(frozen=True, slots=True)
class Heard:
    """How an admission or a promotion stands by itself, whatever happened to its snapshot or model."""

    statement: Statement
    status: Status
    reasons: tuple[str, ...]
    approvals: tuple[Statement, ...]
    rejections: tuple[Statement, ...]
    waivers: tuple[Statement, ...]


def heard(
    hearing: Hearing, demand: Demand, statement: Statement, rejecting: tuple[Statement, ...], moment: str
) -> Heard:
    """What follows from the last words of each person on an admission or a promotion.

    Args:
        rejecting: the rejections that count against it.
        moment: of the new action.
    """
    assert isinstance(statement.about, Admission | Promotion)
    did = "admitted the snapshot" if isinstance(statement.about, Admission) else "asked for the promotion"
    waivers = tuple(hearing.said[digest] for digest in statement.about.waivers)
    expired = [
        f"the waiver of {each.about.rule} by {each.author} was over on {minute_of(each.about.until)}"
        for each in waivers
        if isinstance(each.about, Waiver) and each.about.until <= moment
    ]
    author = hearing.trust.keys[statement.keyid].name
    # The last word of each person counts, and a person is a name: two keys of one name are one voice.
    last: dict[str, Statement] = {}
    approving = hearing.of(Approval, lambda about: about.statement == statement.digest)
    for each in sorted((*approving, *rejecting), key=lambda word: (word.made, word.kind == "rejection")):
        person = hearing.trust.keys[each.keyid].name
        if isinstance(each.about, Approval) and person == author and not demand.by_author:
            hearing.ignore(each, f"{person} {did}, and nobody approves their own")
        else:
            last[person] = each
    approvals = tuple(each for each in last.values() if isinstance(each.about, Approval))
    rejections = tuple(each for each in last.values() if isinstance(each.about, Rejection))
    missing = demand.count - len(approvals)
    reasons = [f"rejected by {by(each)}: {each.about.why}" for each in rejections if isinstance(each.about, Rejection)]
    if missing > 0 and not rejections:
        more = f"{missing} approval{'s' if missing > 1 else ''}"
        others = "" if demand.by_author else f", other than {author},"
        more = f"{more} by {roles_text(demand.roles)}{others} {'is' if missing == 1 else 'are'} still needed"
        reasons.append(f"{more} ({len(approvals)} of {demand.count})" if approvals else more)
    status: Status = "expired" if expired else "rejected" if rejections else "waiting" if missing > 0 else "approved"
    return Heard(
        statement,
        status,
        (*expired, *reasons),
        tuple(sorted(approvals, key=age)),
        tuple(sorted(rejections, key=age)),
        waivers,
    )


class Hearing:
    """What was said, of which only what trusted people said is heard."""

    def __init__(self, said: dict[str, Statement], trust: Trust, what: str = "snapshot") -> None:
        self.said, self.trust, self.what = said, trust, what
        self.ignored: list[str] = []

    def of(self, kind: type[A], about: Callable[[A], bool]) -> tuple[Statement, ...]:
        """The statements of a kind that are about it and count, the oldest first."""
        return tuple(
            each
            for each in self.said.values()
            if isinstance(each.about, kind) and about(each.about) and self._counts(each)
        )

    def ignore(self, statement: Statement, why: str) -> None:
        self.ignored.append(f"{statement.kind} {statement.digest[:12]}: {why}")

    def _counts(self, statement: Statement) -> bool:
        try:
            self.trust.vouched(statement, self.what)
            for parent in self._parents(statement):
                # An admission stands on its waivers and reviews: each has to count by itself.
                if not isinstance(parent.about, Admission | Promotion):
                    self.trust.vouched(parent)
                if isinstance(parent.about, Waiver) and parent.about.until <= statement.made:
                    raise Untrusted(
                        f"it rests on waiver {parent.digest[:12]}, which was over before it was made",
                        where=f"{statement.kind} {statement.digest[:12]}",
                    )
        except Untrusted as error:
            self.ignored.append(f"{error.where}: {error.what}")
            return False
        return True

    def _parents(self, statement: Statement) -> Iterable[Statement]:
        for digest in statement.parents:
            parent = self.said.get(digest)
            if parent is None:
                raise Damaged(
                    f"it rests on statement {digest[:12]}, which is not there or is younger",
                    where=f"statements/{statement.digest}.json",
                    remedy="`gate store pull` fetches what is missing; a statement never rests on a later one",
                )
            if parent.made > statement.made:
                raise Damaged(
                    f"it is older than statement {digest[:12]}, on which it rests",
                    where=f"statements/{statement.digest}.json",
                    remedy="its author signs it again, on a machine whose clock is right",
                )
            yield parent
        if isinstance(statement.about, Admission):
            named = [(Waiver, statement.about.waivers), (Review, statement.about.reviews)]
            wrong = [one for kind, each in named for one in each if not isinstance(self.said[one].about, kind)]
            if wrong:
                raise Damaged(
                    f"it names statement {wrong[0][:12]} as a waiver or review, which is neither",
                    where=f"statements/{statement.digest}.json",
                )


def by(statement: Statement) -> str:
    """Who said it and when, for sentences."""
    return f"{statement.author} on {minute_of(statement.made)}"


def age(statement: Statement) -> tuple[str, str]:
    """To sort statements by, the oldest first."""
    return statement.made, statement.digest
