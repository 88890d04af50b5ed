"""Verifies a snapshot, a statement or a whole store: every signature, date, count and byte that it rests on, offline.

What nothing below it can vouch for is never used to vouch for something else: statements are read and their signatures
checked first, then what they name is hashed, and only then is it looked into. Everything that is wrong is collected,
and the first of it is what is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from gate.data.side_by_side import side_by_side
from gate.errors import GateError
from gate.provenance.heads import check_chain
from gate.provenance.ledger import Ledger
from gate.provenance.standing import Standing, Status, standing
from gate.provenance.statements import (
    Admission,
    Approval,
    Erasure,
    ModelRef,
    Promotion,
    Ref,
    Rejection,
    Review,
    Revocation,
    Statement,
    now,
    written,
)
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.chain import Link, State, broken
from gate.snapshots.erased_rows import carried_out
from gate.snapshots.sealed_objects import Objects, trusted_erasures
from gate.snapshots.sealed_rows import THREADS, OnBytes, sealed
from gate.snapshots.source_files import compared, listed
from gate.snapshots.statement_contents import review_link, waived_link
from gate.store.objects import Damaged, hash_file

Verdict = Literal["broken"] | Status | Literal["whole"]

_SKEW = timedelta(minutes=5)
"""How far a clock may go ahead of this machine's: what RFC 4120 (Kerberos, section 8.2) recommends."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last statement of an author; whoever pins it notices when it, or one before it, is taken away."""

    author: str
    keyid: str
    digest: str
    made: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found."""

    chain: Link
    standings: tuple[Standing, ...]
    """Of the snapshots that were verified, as of now."""
    decides: bool
    """Whether how a snapshot stands decides, and not only whether the chain is whole."""
    statements: int
    """Signed files that were checked, refs among them."""
    objects: int
    bytes: int
    """Of these objects."""
    heads: tuple[Head, ...]
    revoked: bool = False
    """Of a model: somebody whose word counts has revoked it."""

    @property
    def broken(self) -> list[Link]:
        """The broken links, the first first."""
        return self.chain.broken()

    @property
    def verdict(self) -> Verdict:
        """`broken`, else how the snapshot stands, else `whole`."""
        if self.broken:
            return "broken"
        if self.revoked:
            return "revoked"
        return self.standings[0].status if self.decides and self.standings else "whole"

    @property
    def exit_code(self) -> int:
        """0 whole (and approved), 3 waiting for approval, else 1."""
        return {"whole": 0, "approved": 0, "waiting": 3}.get(self.verdict, 1)


class _Known(Ledger):
    """The same ledger, of which every statement has been read: whoever asks again is not kept waiting."""

    def __init__(self, ledger: Ledger, statements: dict[str, Statement]) -> None:
        super().__init__(ledger.store)
        self._statements = statements

    def statement(self, digest: str) -> Statement:
        return self._statements[digest] if digest in self._statements else super().statement(digest)


@dataclass
class Verifier:
    """Checks what is in a store, each thing once.

    Args:
        ledger, trust: the store's statements, and whose word counts.
        heads: digests of statements (or refs) that have to be there.
        data: the folder with the source files; they are not compared where there is none.
        on_bytes: told of bytes of rows that were hashed.
        looks: by kind of statement, what checks what it names beside its parents.
    """

    ledger: Ledger
    trust: Trust
    heads: Sequence[str] = ()
    data: Path | None = None
    on_bytes: OnBytes = lambda done: None
    looks: Mapping[str, Callable[[Verifier, Statement], list[Link]]] = field(default_factory=dict)
    """For kinds of statements that later stages make: what looks at what such a statement names."""
    statements: dict[str, Statement] = field(init=False, default_factory=dict)
    refs: dict[str, Statement] = field(init=False, default_factory=dict)
    """By their file in the store."""
    unread: list[Link] = field(init=False, default_factory=list)
    """Files that are no statement and no ref, though they lie where these do."""
    _checked: dict[str, Link] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        # All of them are read, whatever is verified: one that cannot be read might be the revocation of it.
        for digest in self.ledger.store.statements():
            try:
                self.statements[digest] = self.ledger.statement(digest)
            except GateError as error:
                self.unread.append(broken("statement", error, f"statements/{digest}.json"))
        self.ledger = _Known(self.ledger, self.statements)
        for name, numbers in self.ledger.store.refs().items():
            for number in numbers:
                place = self.ledger.store.name(self.ledger.store.ref_path(name, number))
                try:
                    self.refs[place] = self.ledger.ref(name, number)
                except GateError as error:
                    self.unread.append(broken("ref", error, place))
        self.objects = Objects(self.ledger.store, trusted_erasures(self.statements.values(), self.trust))

    # What is verified

    def snapshot(self, snapshot: str, name: str | None = None) -> Verification:
        """A snapshot by its id, and the ref by which it was named."""
        children = [*self.unread]
        stands: list[Standing] = []
        if not self.unread:
            try:
                stands.append(standing(self.ledger, self.trust, snapshot))
            except GateError as error:
                children.append(broken("admission", error))
        children += [*self._about(snapshot), *self._refs([name] if name else [])]
        status = stands[0].status if stands else ""
        state: State = "erased" if status == "erased" else "whole"
        called = sorted({one.about.name for one in self._admissions(snapshot)})  # type: ignore[attr-defined]
        said = ", ".join([*called, *([status] if status else [])])
        root = Link("snapshot", snapshot, state, said, children=(*children, *self._chains()))
        return self._ended(root, stands, decides=True)

    def statement(self, digest: str) -> Verification:
        """A statement with everything that it rests on; how its snapshot stands decides where it is an admission."""
        about = self.statements[digest].about if digest in self.statements else None
        if isinstance(about, Admission):
            return self.snapshot(about.snapshot)
        children = [*self.unread]
        if digest in self.statements:
            children.append(self._link(self.statements[digest]))
        root = Link("statement", digest, children=(*children, *self._chains()))
        return self._ended(root, [], decides=False)

    def model(
        self,
        model: str,
        said: Sequence[Statement],
        files: Iterable[Link],
        snapshots: Iterable[str],
        also: Sequence[Statement] = (),
    ) -> Verification:
        """A model by its digest: its files, what was said of it, and the snapshots that it was trained on.

        How a snapshot stands now decides where it is not approved any more.

        Args:
            also: what was said of it since (evaluations, promotions); nobody has to be believed who is not trusted.
        """
        children = [*self.unread, *files]
        stands: list[Standing] = []
        if not self.unread:
            # The youngest first (a promotion, its evaluations, the training), since it rests on the others.
            needed = {one.digest for one in said}
            children.extend(
                self._link(one, needed=one.digest in needed)
                for one in reversed(self._ordered([*said, *also]))
                if one.digest not in self._checked
            )
            children += self._about_model(model)
            for snapshot in dict.fromkeys(snapshots):
                try:
                    stands.append(standing(self.ledger, self.trust, snapshot))
                except GateError as error:
                    children.append(broken("snapshot", error, snapshot))
                children += self._about(snapshot)
        stands.sort(key=lambda each: each.status == "approved")
        now_told = ", ".join(f"{each.snapshot[:12]} {each.status}" for each in stands)
        revoked = self._revoked(model)
        root = Link(
            "model",
            model,
            said=f"trained on {now_told}{'; revoked' if revoked else ''}",
            children=(*children, *self._chains()),
        )
        found = self._ended(root, stands, decides=any(each.status != "approved" for each in stands))
        return replace(found, revoked=revoked)

    def nothing(self, what: str) -> Verification:
        """What is asked for, where it cannot be found because something could not be read."""
        return self._ended(Link("snapshot", what, children=tuple(self.unread)), [], decides=True)

    def store(self) -> Verification:
        """Everything: statements, refs, and every object, whether something refers to it or not."""
        stands: list[Standing] = []
        # The youngest first, since it rests on the others.
        children = [*self.unread, *(self._link(one) for one in reversed(self._ordered(self.statements.values())))]
        children.extend(self._refs(self.ledger.store.refs()))
        for snapshot in sorted({one.about.snapshot for one in self._admissions()}):  # type: ignore[attr-defined]
            try:
                if not self.unread:
                    stands.append(standing(self.ledger, self.trust, snapshot))
            except GateError as error:
                children.append(broken("snapshot", error, snapshot))
        children.append(self._others())
        name = str(self.ledger.store.root)
        return self._ended(Link("store", name, children=(*children, *self._chains())), stands, decides=False)

    # Statements

    def _ordered(self, statements: Iterable[Statement]) -> list[Statement]:
        return sorted(statements, key=lambda one: (one.made, one.digest))

    def _admissions(self, snapshot: str | None = None) -> list[Statement]:
        every = [one for one in self._ordered(self.statements.values()) if isinstance(one.about, Admission)]
        return [one for one in every if snapshot is None or one.about.snapshot == snapshot]  # type: ignore[attr-defined]

    def _about(self, snapshot: str) -> list[Link]:
        """What was said of a snapshot, down to what that rests on."""
        admissions = {one.digest for one in self._admissions(snapshot)}
        said = []
        for one in self._ordered(self.statements.values()):
            about = one.about
            if (
                (isinstance(about, Approval | Rejection) and about.statement in admissions)
                or (isinstance(about, Revocation) and about.snapshot == snapshot)
                or (isinstance(about, Erasure) and snapshot in about.snapshots)
            ):
                said.append(self._link(one, needed=False))
        # An admission that nobody has said anything of stands for itself.
        return [*said, *(self._link(self.statements[each]) for each in sorted(admissions - self._checked.keys()))]

    def _about_model(self, model: str) -> list[Link]:
        """What people said of a model and of its promotions, and the names that it has or had."""
        of = {one.digest for one in self.statements.values() if getattr(one.about, "model", None) == model}
        links = [
            self._link(one, needed=False)
            for one in self._ordered(self.statements.values())
            if (isinstance(one.about, Approval | Rejection) and one.about.statement in of)
            or (isinstance(one.about, Revocation) and one.about.snapshot == model)
        ]
        for place, ref in self.refs.items():
            if isinstance(ref.about, ModelRef) and ref.about.model == model:
                found = self._link(ref)
                links.append(Link("ref", place, found.state, found.said, found.remedy, found.children))
        return links

    def _revoked(self, model: str) -> bool:
        """Whether somebody whose word counts has revoked a model."""
        return any(
            isinstance(one.about, Revocation)
            and one.about.snapshot == model
            and self._author(one, needed=False)[0] == "whole"
            for one in self.statements.values()
        )

    def _link(self, one: Statement, *, needed: bool = True) -> Link:
        """A statement and what it rests on.

        Args:
            needed: something rests on it; otherwise it may simply not count.
        """
        name = f"{'refs' if isinstance(one.about, Ref | ModelRef) else 'statements'}/{one.digest}.json"
        if one.digest in self._checked:
            before = self._checked[one.digest]
            sound = before.state == "whole" and not before.broken()
            return Link(before.what, before.name, "whole" if sound else "ignored", "as above")
        state, said, remedy = self._author(one, needed=needed)
        problem = self._dates(one)
        if problem is not None and state != "ignored":
            state, said, remedy = "broken", problem, None
        self._checked[one.digest] = Link(one.kind, name, state, said, remedy)
        children: list[Link] = []
        if state != "ignored":
            children = [*self._contents(one), *self._parents(one)]
        link = Link(one.kind, name, state, said, remedy, tuple(children))
        self._checked[one.digest] = link
        return link

    def _author(self, one: Statement, *, needed: bool) -> tuple[State, str, str | None]:
        try:
            key = self.trust.vouched(one, self._what(one))
        except Untrusted as error:
            state: State = "broken" if needed or self._forged(one) else "ignored"
            return state, error.what if state == "broken" else f"does not count: {error.what}", error.remedy
        return "whole", f"{key.name} ({', '.join(key.roles)}), {one.made[:16].replace('T', ' ')} UTC", None

    def _what(self, one: Statement) -> str:
        """Whether something was said of a snapshot or of a model: others may approve the one than the other."""
        if isinstance(one.about, Revocation):
            return one.about.what
        if isinstance(one.about, Approval | Rejection):
            found = self.statements.get(one.about.statement)
            return "model" if found is not None and isinstance(found.about, Promotion) else "snapshot"
        return "snapshot"

    def _forged(self, one: Statement) -> bool:
        """Whether it claims to be by a key that is trusted and counted at the time, and is not."""
        key = self.trust.keys.get(one.keyid)
        if key is None or (key.since or "") > one.made or (key.revoked is not None and one.made >= key.revoked):
            return False
        try:
            self.trust.check(one)
        except Untrusted:
            return True
        return False

    def _dates(self, one: Statement) -> str | None:
        latest = written(datetime.fromisoformat(now()) + _SKEW)
        if one.made > latest:
            return f"it is dated {one.made}, which lies ahead"
        for parent in one.parents:
            found = self.statements.get(parent)
            if found is not None and found.made > one.made:
                return f"it is older than the {found.kind} that it rests on ({parent[:12]})"
        return None

    def _parents(self, one: Statement) -> list[Link]:
        links = []
        for parent in one.parents:
            name = f"statements/{parent}.json"
            if parent in self.statements:
                links.append(self._link(self.statements[parent]))
            elif name not in {link.name for link in self.unread}:
                links.append(
                    Link("statement", name, "broken", f"it is missing, and the {one.kind} rests on it", _RESTORE)
                )
        return links

    def _contents(self, one: Statement) -> list[Link]:
        """What a statement names beside its parents, checked by its kind."""
        about = one.about
        if isinstance(about, Admission):
            files = listed(about) if self.data is None else compared(about, self.data)
            return [
                *sealed(self.objects, about, self.on_bytes),
                waived_link(self.objects, self.statements, one, about),
                files,
            ]
        if isinstance(about, Review):
            return [review_link(self.objects, about)]
        if isinstance(about, Erasure):
            return carried_out(self.objects, about)
        if isinstance(about, Approval | Rejection | Ref):
            return self._subject(about)
        return self.looks[one.kind](self, one) if one.kind in self.looks else []

    def _subject(self, about: Approval | Rejection | Ref) -> list[Link]:
        """That what is approved or named can be approved or named."""
        found = self.statements.get(about.statement)
        if found is None:
            return []  # as a parent, it is said to be missing
        if isinstance(found.about, Promotion) and not isinstance(about, Ref):
            return []
        if not isinstance(found.about, Admission):
            return [Link(found.kind, f"statements/{found.digest}.json", "broken", "it is no admission")]
        if isinstance(about, Ref) and found.about.snapshot != about.snapshot:
            said = f"a ref says that it admits {about.snapshot[:12]}, and it admits {found.about.snapshot[:12]}"
            return [Link("admission", f"statements/{found.digest}.json", "broken", said)]
        return []

    # Refs, heads, and what else lies in the store

    def _refs(self, names: Iterable[str]) -> list[Link]:
        links = []
        for name in names:
            numbers = self.ledger.store.refs().get(name, [])
            if missing := sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers)):
                place = self.ledger.store.name(self.ledger.store.ref_path(name, missing[0]))
                links.append(Link("ref", place, "broken", "it is missing, and later ones are there", _RESTORE))
        wanted = set(names)
        for place, ref in self.refs.items():
            if place.split("/")[1] in wanted:
                found = self._link(ref)
                links.append(Link("ref", place, found.state, found.said, found.remedy, found.children))
        return links

    def _chains(self) -> list[Link]:
        """The chain of each author, and the heads that have to be there."""
        links = []
        if not self.unread:
            links = [
                Link("chain", _file(sentence), "broken", sentence, _RESTORE) for sentence in check_chain(self.ledger)
            ]
        known = [*self.statements, *(ref.digest for ref in self.refs.values())]
        for head in self.heads:
            if head not in known:
                said = f"the pinned head {head[:12]} is gone: somebody took statements away"
                links.append(Link("head", f"statements/{head}.json", "broken", said, _RESTORE))
        if not any(link.state == "broken" for link in links):
            authors = len({one.keyid for one in self.statements.values()})
            said = f"{len(self.statements):,} statements of {authors:,} authors, none missing between two others"
            links.append(Link("chains", "", said=said))
        return links

    def _heads(self) -> tuple[Head, ...]:
        last: dict[str, Head] = {}
        for one in self._ordered(self.statements.values()):
            last[one.keyid] = Head(one.author, one.keyid, one.digest, one.made)
        return tuple(last[keyid] for keyid in sorted(last))

    def _others(self) -> Link:
        """Objects that nothing led to so far."""
        others = [each for each in self.ledger.store.objects() if each.digest not in self.objects.seen]

        def look(digest_and_kind: tuple[str, str]) -> Link | None:
            path = self.ledger.store.path(*digest_and_kind)
            try:
                found, size = hash_file(path)
            except OSError as error:
                damage = Damaged(f"it cannot be read ({error.strerror})", where=self.ledger.store.name(path))
                return broken("object", damage)
            self.objects.count(found, size)
            self.on_bytes(size)
            if found != digest_and_kind[0]:
                said = "its bytes are not what its name says"
                return Link("object", self.ledger.store.name(path), "broken", said, _RESTORE)
            return None

        found = side_by_side(look, [(each.digest, each.kind) for each in others], THREADS)
        children = tuple(link for link in found if link is not None)
        return Link("objects", "", said=f"{len(others):,} more, which nothing refers to", children=children)

    def _ended(self, root: Link, stands: Sequence[Standing], *, decides: bool) -> Verification:
        return Verification(
            root,
            tuple(stands),
            decides,
            len(self._checked),
            len(self.objects.seen),
            sum(self.objects.seen.values()),
            self._heads(),
        )


def _file(sentence: str) -> str:
    """The file that a sentence about the chain is about: of the digest that it spells out."""
    digest = _DIGEST.search(sentence)
    return f"statements/{digest.group()}.json" if digest else ""


_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_RESTORE = "restore it from a copy of the store (`gate store pull`, a bundle)"
