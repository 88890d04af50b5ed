"""Approving, rejecting and revoking: what is shown and signed, and what is refused because it would not count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gate.errors import GateError, UsageError
from gate.provenance.envelope import sign
from gate.provenance.keys import PrivateKey, new_key
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Approval, Erasure, Ref, Rejection, Revocation, Statement, Waiver, drafted, now
from gate.provenance.trust import Demand, Trust, Untrusted
from gate.store.objects import Damaged
from gate.verbs.people import Proposal, Refused, approve, find_admission, reject, revoke
from tests.provenance.story import SNAPSHOT, sealed, trusted, trusting

People = Mapping[str, PrivateKey]


@pytest.fixture
def admitted(ledger: Ledger, people: People) -> Statement:
    statement = ledger.say(sealed(ledger.store), people["Ana"])
    ledger.refer("support-desk", SNAPSHOT, statement.digest, people["Ana"])
    return statement


@pytest.mark.parametrize(
    "call",
    [lambda one: "support-desk", lambda one: one.digest, lambda one: one.digest[:8], lambda one: SNAPSHOT[:8].upper()],
    ids=["name", "digest", "prefix", "snapshot"],
)
def test_it_is_named_as_people_name_it(
    call: Callable[[Statement], str], ledger: Ledger, people: People, trust: Trust, admitted: Statement
) -> None:
    said = approve(call(admitted), signer=people["Bo"], note="read some", store=ledger.store, trust=trust)
    assert said.statement.about == Approval(statement=admitted.digest, note="read some")
    assert said.proposal.stands is not None
    assert said.proposal.stands.status == "waiting"
    assert said.stands is not None
    assert said.stands.status == "approved"


def test_what_is_about_to_be_signed_is_shown_first(
    ledger: Ledger, people: People, trust: Trust, admitted: Statement
) -> None:
    shown: list[Proposal] = []

    def no(proposal: Proposal) -> bool:
        shown.append(proposal)
        return False

    before = ledger.store.statements()
    with pytest.raises(UsageError, match="nothing was signed"):
        approve("support-desk", signer=people["Bo"], store=ledger.store, trust=trust, confirm=no)
    assert ledger.store.statements() == before
    assert (shown[0].kind, shown[0].signer, shown[0].about) == ("approval", "Bo", admitted)
    assert shown[0].admission.snapshot == SNAPSHOT


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("support", "there is no snapshot"),
        ("5a5a5a5", "at least 8 digits"),
        ("../../etc/passwd", "there is no snapshot"),
        ("00000000", r"there is no snapshot[\s\S]*names: support-desk"),
    ],
)
def test_what_is_not_there(what: str, message: str, ledger: Ledger, admitted: Statement) -> None:
    with pytest.raises(UsageError, match=message):
        find_admission(ledger, what)


def test_digits_of_several(ledger: Ledger, people: People, admitted: Statement) -> None:
    again = ledger.say(sealed(ledger.store), people["Ana"])
    assert find_admission(ledger, SNAPSHOT).digest == again.digest  # of one snapshot the youngest
    ledger.say(sealed(ledger.store, snapshot=SNAPSHOT[:-1] + "b"), people["Ana"])
    with pytest.raises(UsageError, match="2 snapshots and statements begin with"):
        find_admission(ledger, SNAPSHOT[:20])
    rejected = ledger.say(Rejection(statement=admitted.digest, why="x"), people["Bo"])
    with pytest.raises(UsageError, match="not the admission of a snapshot but a rejection by Bo"):
        find_admission(ledger, rejected.digest)


def refused(
    error: type[GateError], message: str, ledger: Ledger, trust: Trust, signer: PrivateKey, what: str = "support-desk"
) -> None:
    before = ledger.store.statements()
    with pytest.raises(error, match=message) as told:
        approve(what, signer=signer, store=ledger.store, trust=trust)
    assert told.value.exit_code == 1
    assert ledger.store.statements() == before


def test_ones_own(ledger: Ledger, people: People, trust: Trust) -> None:
    own = ledger.say(sealed(ledger.store), people["Oz"])
    refused(Refused, "nobody approves their own", ledger, trust, people["Oz"], own.digest)
    lenient = Trust("t", "0" * 64, trust.keys, {"snapshot": Demand(1, ("reviewer",), True)})
    said = approve(own.digest, signer=people["Oz"], store=ledger.store, trust=lenient)
    assert said.stands is not None
    assert said.stands.status == "approved"


def test_by_somebody_whose_word_does_not_count(
    ledger: Ledger, people: People, trust: Trust, admitted: Statement
) -> None:
    refused(Untrusted, "'Ana' is an owner .* and this takes a reviewer", ledger, trust, people["Ana"])
    refused(Untrusted, "does not trust the key of 'Mallory'", ledger, trust, new_key("Mallory"))
    late = trusting(
        trusted(people["Ana"], "owner"), trusted(people["Bo"], "reviewer", revoked=now(), why_revoked="left")
    )
    refused(Untrusted, "was revoked", ledger, late, people["Bo"])
    early = trusting(
        trusted(people["Ana"], "owner"), trusted(people["Bo"], "reviewer", since="2999-01-01T00:00:00.000000Z")
    )
    refused(Untrusted, "counts only from", ledger, early, people["Bo"])


def test_what_nobody_trusted_has_admitted(ledger: Ledger, people: People, trust: Trust) -> None:
    statement = ledger.say(sealed(ledger.store), new_key("Mallory"))
    refused(Untrusted, "does not trust", ledger, trust, people["Bo"], statement.digest)
    own = ledger.say(sealed(ledger.store), people["Cy"])  # a reviewer
    refused(Untrusted, "an admission takes an owner", ledger, trust, people["Bo"], own.digest)


def test_what_is_over(ledger: Ledger, people: People, trust: Trust, admitted: Statement) -> None:
    waiver = Waiver(rule="pii", findings=["f" * 64], until="2999-01-01T00:00:00.000000Z", why="x")
    said = ledger.say(waiver, people["Bo"])
    on_waiver = ledger.say(sealed(ledger.store, snapshot="77" * 32, waivers=[said.digest]), people["Ana"])
    approve(on_waiver.digest, signer=people["Cy"], store=ledger.store, trust=trust)
    ledger.say(Revocation(snapshot=SNAPSHOT, why="consent withdrawn"), people["Ana"])
    refused(Refused, "revoked by Ana .* consent withdrawn", ledger, trust, people["Bo"])
    ledger.say(Erasure(examples=["8" * 64], objects={}, snapshots=["77" * 32], why="Article 17"), people["Ana"])
    refused(Refused, "erased in part by Ana", ledger, trust, people["Bo"], "77" * 8)


@pytest.mark.parametrize("name", ["descriptor", "policy", "findings", "report"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_what_is_not_whole(
    name: str, how: str, ledger: Ledger, people: People, trust: Trust, admitted: Statement
) -> None:
    digest = getattr(admitted.about, name)
    (path,) = ledger.store.root.glob(f"objects/??/{digest}.*")
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b" ")
    refused(Damaged, "missing|not what its name says", ledger, trust, people["Bo"])


def test_a_descriptor_of_another_snapshot(ledger: Ledger, people: People, trust: Trust, admitted: Statement) -> None:
    other = sealed(ledger.store, snapshot="77" * 32)
    own = ledger.say(sealed(ledger.store, snapshot="78" * 32, descriptor=other.descriptor), people["Ana"])
    refused(Damaged, "describes another snapshot", ledger, trust, people["Bo"], own.digest)


def test_a_name_that_somebody_else_gave(ledger: Ledger, people: People, trust: Trust, admitted: Statement) -> None:
    other = ledger.say(sealed(ledger.store, snapshot="77" * 32), people["Ana"])
    ledger.refer("support-desk", "77" * 32, other.digest, new_key("Mallory"))
    refused(Untrusted, "does not trust", ledger, trust, people["Bo"])


def test_a_name_that_points_at_another_admission(
    ledger: Ledger, people: People, trust: Trust, admitted: Statement
) -> None:
    about = Ref(name="support-desk", number=2, snapshot="77" * 32, statement=admitted.digest)
    draft = drafted(about, author="Ana", keyid=people["Ana"].keyid, previous=None, made=now())
    assert ledger.store.put_ref("support-desk", 2, sign(draft, people["Ana"]))
    refused(Damaged, "the admission of another snapshot", ledger, trust, people["Bo"])


def test_nothing_is_approved_without_a_trust_file(ledger: Ledger, people: People, admitted: Statement) -> None:
    with pytest.raises(UsageError, match="never guesses"):
        approve("support-desk", signer=people["Bo"], store=ledger.store)


def test_a_no_needs_no_trust_file(ledger: Ledger, people: People, trust: Trust, admitted: Statement) -> None:
    said = reject("support-desk", "cut off", signer=people["Bo"], store=ledger.store)
    assert said.stands is None
    assert said.statement.about == Rejection(statement=admitted.digest, why="cut off")
    with_trust = reject("support-desk", "cut off", signer=people["Cy"], store=ledger.store, trust=trust)
    assert with_trust.stands is not None
    assert with_trust.stands.status == "rejected"
    said = revoke(SNAPSHOT[:12], "consent", signer=people["Ana"], store=ledger.store, trust=trust)
    assert said.statement.about == Revocation(snapshot=SNAPSHOT, why="consent")
    assert said.stands is not None
    assert said.stands.status == "revoked"


def test_a_no_that_would_not_count_is_refused(
    ledger: Ledger, people: People, trust: Trust, admitted: Statement
) -> None:
    for call in (reject, revoke):
        with pytest.raises(Untrusted):
            call("support-desk", "x", signer=people["Rel"], store=ledger.store, trust=trust)
        with pytest.raises(UsageError, match="no reason"):
            call("support-desk", " ", signer=people["Bo"], store=ledger.store, trust=trust)
        with pytest.raises(UsageError, match="2000"):
            call("support-desk", "x" * 2001, signer=people["Bo"], store=ledger.store, trust=trust)
    assert len(ledger.store.statements()) == 1


def test_what_a_stranger_admitted_can_be_revoked(ledger: Ledger, people: People, trust: Trust) -> None:
    statement = ledger.say(sealed(ledger.store), new_key("Mallory"))
    said = revoke(statement.digest, "not ours", signer=people["Ana"], store=ledger.store, trust=trust)
    assert said.stands is None


def test_a_store_that_is_not_there(tmp_path: Path, people: People, trust: Trust) -> None:
    with pytest.raises(UsageError, match="there is no store"):
        approve("support-desk", signer=people["Bo"], store=tmp_path / "none", trust=trust)
