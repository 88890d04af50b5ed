"""The order of statements: what was taken out, put in or turned round is found, and a head notices what is gone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gate.errors import UsageError
from gate.provenance.heads import check_chain
from gate.provenance.keys import PrivateKey
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Approval, Revocation, Statement
from gate.store.objects import Damaged
from tests.provenance.story import SNAPSHOT, admission, forged, time

People = Mapping[str, PrivateKey]


@pytest.fixture
def said(ledger: Ledger, people: People) -> dict[str, Statement]:
    """A dataset's story, said through gate."""
    admitted = ledger.say(admission(), people["Ana"], made=time(1))
    ledger.refer("support-desk", SNAPSHOT, admitted.digest, people["Ana"])
    approved = ledger.say(Approval(statement=admitted.digest), people["Bo"], made=time(2))
    again = ledger.say(admission(snapshot="66" * 32), people["Ana"], made=time(3))
    revoked = ledger.say(Revocation(snapshot=SNAPSHOT, why="x"), people["Ana"], made=time(4))
    return {"admitted": admitted, "approved": approved, "again": again, "revoked": revoked}


def remove(ledger: Ledger, statement: Statement) -> None:
    ledger.store.statement_path(statement.digest).unlink()


def test_what_is_whole(ledger: Ledger, said: Mapping[str, Statement]) -> None:
    assert check_chain(ledger) == []
    assert check_chain(ledger, said["revoked"].digest) == []
    assert said["revoked"].previous == said["again"].digest
    assert said["again"].previous == said["admitted"].digest
    assert said["admitted"].previous is said["approved"].previous is None


def test_a_statement_taken_out_of_the_middle(ledger: Ledger, said: Mapping[str, Statement]) -> None:
    remove(ledger, said["again"])
    (broken,) = check_chain(ledger)
    name = f"revocation {said['revoked'].digest[:12]} by Ana"
    assert broken == f"{name}: the statement before it, {said['again'].digest}, is not there"


def test_what_others_rest_on_taken_out(ledger: Ledger, said: Mapping[str, Statement]) -> None:
    remove(ledger, said["admitted"])
    broken = check_chain(ledger)
    assert len(broken) == 3  # an approval, the admission after it, and the ref
    assert all(said["admitted"].digest in each for each in broken)


def test_the_last_one_taken_out_is_noticed_by_who_wrote_its_digest_down(
    ledger: Ledger, said: Mapping[str, Statement]
) -> None:
    remove(ledger, said["revoked"])
    assert check_chain(ledger) == []
    (broken,) = check_chain(ledger, said["revoked"].digest)
    assert broken.startswith(f"the pinned head {said['revoked'].digest} is not there")


def test_a_damaged_head_is_not_there(ledger: Ledger, said: Mapping[str, Statement]) -> None:
    path = ledger.store.statement_path(said["revoked"].digest)
    path.write_bytes(path.read_bytes() + b" ")
    broken = check_chain(ledger, said["revoked"].digest)
    assert len(broken) == 2
    assert "not what its name says" in broken[0]
    assert broken[1].endswith("is damaged")


def test_a_child_older_than_its_parent(ledger: Ledger, said: Mapping[str, Statement], people: People) -> None:
    forged(ledger, Approval(statement=said["admitted"].digest), people["Cy"], made=time(0))
    (broken,) = check_chain(ledger)
    assert "the statement that it rests on" in broken
    assert "is younger" in broken


def test_a_chain_that_goes_back_in_time(ledger: Ledger, said: Mapping[str, Statement], people: People) -> None:
    about = Revocation(snapshot=SNAPSHOT, why="x")
    forged(ledger, about, people["Ana"], made=time(3), previous=said["revoked"].digest)
    (broken,) = check_chain(ledger)
    assert f"the statement before it, {said['revoked'].digest}, is younger" in broken


def test_a_chain_hung_onto_anothers(ledger: Ledger, said: Mapping[str, Statement], people: People) -> None:
    about = Revocation(snapshot=SNAPSHOT, why="x")
    forged(ledger, about, people["Cy"], made=time(9), previous=said["revoked"].digest)
    (broken,) = check_chain(ledger)
    assert broken.endswith("is by another key, that of Ana")


def test_a_damaged_ref(ledger: Ledger, said: Mapping[str, Statement]) -> None:
    path = ledger.store.ref_path("support-desk", 1)
    path.write_bytes(path.read_bytes().replace(b"payload", b"payloab", 1))
    (broken,) = check_chain(ledger)
    assert broken.startswith("refs/support-desk/000001.json")


def test_two_branches_of_one_author_are_whole(ledger: Ledger, said: Mapping[str, Statement], people: People) -> None:
    """Two machines with one key may speak at once: neither is lost, and neither is broken."""
    about = Revocation(snapshot=SNAPSHOT, why="y")
    forged(ledger, about, people["Ana"], made=time(5), previous=said["again"].digest)
    assert check_chain(ledger) == []


def test_nothing_is_said_that_would_be_older_than_what_it_rests_on(
    ledger: Ledger, said: Mapping[str, Statement], people: People
) -> None:
    count = len(ledger.store.statements())
    with pytest.raises(UsageError, match="clocks is wrong"):
        ledger.say(Approval(statement=said["again"].digest), people["Cy"], made=time(2))
    with pytest.raises(UsageError, match="clocks is wrong"):
        ledger.say(Revocation(snapshot=SNAPSHOT, why="x"), people["Ana"], made=time(3))
    with pytest.raises(Damaged):
        ledger.say(Approval(statement="0" * 64), people["Cy"])
    assert len(ledger.store.statements()) == count
