"""Whose word counts for what: signatures, names, times and roles, each forged once."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

import orjson
import pytest

from gate.provenance.envelope import canonical, opened
from gate.provenance.keys import PrivateKey, new_key
from gate.provenance.ledger import Ledger
from gate.provenance.statements import (
    About,
    Approval,
    Erasure,
    Ref,
    Rejection,
    Review,
    Revocation,
    Statement,
    Waiver,
    read,
)
from gate.provenance.trust import Demand, Trust, Untrusted
from gate.store.objects import Damaged
from tests.provenance.story import SNAPSHOT, admission, forged, time, trusted, trusting

People = Mapping[str, PrivateKey]
A = "a" * 64
SAID: dict[str, About] = {
    "admission": admission(),
    "approval": Approval(statement=A),
    "rejection": Rejection(statement=A, why="x"),
    "waiver": Waiver(rule="pii", findings=[A], until=time(59), why="x"),
    "revocation": Revocation(snapshot=SNAPSHOT, why="x"),
    "review": Review(verdicts=A, sampled=1, good=1, bad=0, seed=1),
    "erasure": Erasure(examples=[A], objects={}, snapshots=[SNAPSHOT], why="x"),
    "ref": Ref(name="support-desk", number=1, snapshot=SNAPSHOT, statement=A),
}
MAY = {
    "admission": {"Ana", "Oz"},
    "approval": {"Bo", "Cy", "Oz"},
    "rejection": {"Bo", "Cy", "Oz"},
    "waiver": {"Ana", "Bo", "Cy", "Oz"},
    "revocation": {"Ana", "Bo", "Cy", "Oz"},
    "review": {"Ana", "Bo", "Cy", "Oz", "Rel"},
    "erasure": {"Ana", "Oz"},
    "ref": {"Ana", "Oz", "Rel"},
}


def refusal(call: Callable[[], object]) -> str:
    """Why it does not count; empty where it does."""
    try:
        call()
    except Untrusted as error:
        return error.what
    return ""


@pytest.mark.parametrize("kind", SAID)
def test_who_may_say_what(kind: str, ledger: Ledger, people: People, trust: Trust) -> None:
    may = set()
    for name, key in people.items():
        statement = forged(ledger, SAID[kind], key, made=time(1))
        why = refusal(lambda statement=statement: trust.vouched(statement))
        assert why == "" or "takes" in why
        assert refusal(lambda key=key: trust.signer(key.keyid, key.name, kind, time(1))).startswith(why[:10])
        may |= set() if why else {name}
    assert may == MAY[kind]


def test_who_may_approve_is_for_the_trust_file_to_say(ledger: Ledger, people: People) -> None:
    trust = trusting(
        trusted(people["Ana"], "owner"), trusted(people["Bo"], "reviewer"), snapshot=Demand(1, ("owner",), True)
    )
    assert trust.vouched(forged(ledger, SAID["approval"], people["Ana"], made=time(1))).name == "Ana"
    with pytest.raises(Untrusted, match="an approval takes an owner"):
        trust.vouched(forged(ledger, SAID["approval"], people["Bo"], made=time(1)))
    assert trust.vouched(forged(ledger, SAID["rejection"], people["Bo"], made=time(1))).name == "Bo"


def test_a_stranger(ledger: Ledger, trust: Trust) -> None:
    statement = forged(ledger, SAID["revocation"], new_key("Mallory"), made=time(1))
    with pytest.raises(Untrusted, match=r"signed by 'Mallory' with key .{12}, which trust.yaml does not trust"):
        trust.check(statement)


def test_a_forged_name(ledger: Ledger, people: People, trust: Trust) -> None:
    """A stranger who calls themselves Ana, and a reviewer who does."""
    with pytest.raises(Untrusted, match="does not trust"):
        trust.check(forged(ledger, SAID["admission"], new_key("Mallory"), made=time(1), author="Ana"))
    with pytest.raises(Untrusted, match="it is by 'Ana', and its key is that of 'Bo'"):
        trust.check(forged(ledger, SAID["admission"], people["Bo"], made=time(1), author="Ana"))


def resigned(statement: Statement, **changes: object) -> Statement:
    """The statement in an envelope with another keyid or signature, as somebody writes it who changes files."""
    outer = orjson.loads(
        canonical(
            {
                "payload": base64.b64encode(statement.envelope.payload).decode(),
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [
                    {"keyid": statement.keyid, "sig": base64.b64encode(statement.envelope.signature).decode()} | changes
                ],
            }
        )
    )
    return read(opened(canonical(outer), "x"), "x")


def test_a_signature_of_another_statement(ledger: Ledger, people: People, trust: Trust) -> None:
    one = forged(ledger, SAID["approval"], people["Bo"], made=time(1))
    other = forged(ledger, SAID["approval"], people["Bo"], made=time(2))
    assert trust.check(resigned(one)).name == "Bo"
    swapped = resigned(one, sig=base64.b64encode(other.envelope.signature).decode())
    with pytest.raises(Untrusted, match="its signature is not by the key of 'Bo'"):
        trust.check(swapped)


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"short", b"x" * 65])
def test_what_is_no_signature(signature: bytes, ledger: Ledger, people: People, trust: Trust) -> None:
    one = forged(ledger, SAID["approval"], people["Bo"], made=time(1))
    with pytest.raises(Untrusted, match="its signature is not by"):
        trust.check(resigned(one, sig=base64.b64encode(signature).decode()))


def test_a_signature_under_the_keyid_of_somebody_else(ledger: Ledger, people: People) -> None:
    one = forged(ledger, SAID["admission"], people["Bo"], made=time(1))
    with pytest.raises(Damaged, match="do not agree"):  # the payload names its key as well
        resigned(one, keyid=people["Ana"].keyid)


def test_each_flipped_bit_of_a_payload_is_noticed(ledger: Ledger, people: People, trust: Trust) -> None:
    one = forged(ledger, SAID["approval"], people["Bo"], made=time(1))
    payload = one.envelope.payload.replace(b'"statement":"aa', b'"statement":"ab')
    payload = payload.replace(b'"sha256":"aa', b'"sha256":"ab').replace(b'"parents":["aa', b'"parents":["ab')
    outer = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"keyid": one.keyid, "sig": base64.b64encode(one.envelope.signature).decode()}],
    }
    repointed = read(opened(canonical(outer), "x"), "x")
    assert isinstance(repointed.about, Approval)
    assert repointed.about.statement.startswith("ab")
    with pytest.raises(Untrusted, match="its signature is not by the key of 'Bo'"):
        trust.check(repointed)


def test_the_edges_of_a_keys_time(ledger: Ledger, people: People) -> None:
    key = trusted(people["Bo"], "reviewer", since=time(10), revoked=time(20), why_revoked="laptop stolen")
    trust = trusting(key)

    early, late = "only from 2026-11-21 10:10 UTC on", "was revoked as of 2026-11-21 10:20 UTC (laptop stolen)"
    edges = {
        "2026-11-21T10:09:59.999999Z": early,
        time(10): "",
        "2026-11-21T10:19:59.999999Z": "",
        time(20): late,
        time(59): late,
    }
    for made, why in edges.items():
        statement = forged(ledger, SAID["approval"], people["Bo"], made=made)
        told = refusal(lambda statement=statement: trust.check(statement))
        assert told.endswith(why)
        assert bool(told) == bool(why)
    with pytest.raises(Untrusted, match="was revoked"):
        trust.signer(key.keyid, "Bo", "approval", time(20))
    trust.signer(key.keyid, "Bo", "approval", time(19))


def test_a_role_that_is_asked_for(ledger: Ledger, people: People, trust: Trust) -> None:
    statement = forged(ledger, SAID["review"], people["Bo"], made=time(1))
    assert trust.check(statement, "reviewer").name == "Bo"
    with pytest.raises(Untrusted, match="'Bo' is a reviewer, and a review takes an owner"):
        trust.check(statement, "owner")


def test_whoever_signs_is_told_before(people: People, trust: Trust) -> None:
    with pytest.raises(Untrusted, match=r"does not trust the key of 'Mallory'[\s\S]*gate keys trust"):
        trust.signer(new_key("Mallory").keyid, "Mallory", "approval", time(1))
    with pytest.raises(Untrusted, match=r"your key calls you 'bo', and trust.yaml calls you 'Bo'"):
        trust.signer(people["Bo"].keyid, "bo", "approval", time(1))
