"""How a snapshot stands: who approved, rejected, revoked or erased it, and tricks by which it might seem otherwise."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gate.provenance.keys import PrivateKey, new_key
from gate.provenance.ledger import Ledger
from gate.provenance.standing import Standing, standing
from gate.provenance.statements import Approval, Erasure, Rejection, Review, Revocation, Statement, Waiver
from gate.provenance.trust import Demand, Trust, Untrusted
from gate.store.objects import Damaged
from tests.provenance.story import SNAPSHOT, admission, forged, time, trusted, trusting

People = Mapping[str, PrivateKey]
LATER = time(59)


class Story:
    """Statements of some people about one snapshot, a minute apart unless it matters."""

    def __init__(self, ledger: Ledger, people: People, trust: Trust) -> None:
        self.ledger, self.people, self.trust = ledger, people, trust

    def admit(self, who: str = "Ana", at: str = time(1), **changes: object) -> Statement:
        return forged(self.ledger, admission(**changes), self.people[who], made=at)

    def approve(self, who: str, statement: Statement, at: str = time(5)) -> Statement:
        return forged(self.ledger, Approval(statement=statement.digest), self.people[who], made=at)

    def reject(self, who: str, statement: Statement, at: str = time(6)) -> Statement:
        return forged(self.ledger, Rejection(statement=statement.digest, why="cut off"), self.people[who], made=at)

    def revoke(self, who: str, at: str = time(7), snapshot: str = SNAPSHOT) -> Statement:
        return forged(self.ledger, Revocation(snapshot=snapshot, why="consent withdrawn"), self.people[who], made=at)

    def waive(self, who: str, until: str, at: str = time(0)) -> Statement:
        about = Waiver(rule="pii", findings=["f" * 64], until=until, why="own hotline")
        return forged(self.ledger, about, self.people[who], made=at)

    def stands(self, at: str = LATER, trust: Trust | None = None) -> Standing:
        return standing(self.ledger, trust or self.trust, SNAPSHOT, at=at)


@pytest.fixture
def story(ledger: Ledger, people: People, trust: Trust) -> Story:
    return Story(ledger, people, trust)


def test_it_waits_and_then_is_approved(story: Story) -> None:
    admitted = story.admit()
    stands = story.stands()
    assert (stands.status, stands.admission.digest, stands.approvals) == ("waiting", admitted.digest, ())
    assert stands.reasons == ("1 approval by a reviewer, other than Ana, is still needed",)
    approved = story.approve("Bo", admitted)
    stands = story.stands()
    assert (stands.status, stands.reasons, stands.ignored) == ("approved", (), ())
    assert [one.digest for one in stands.approvals] == [approved.digest]


def test_nobody_trusted_has_admitted_it(story: Story) -> None:
    with pytest.raises(Untrusted, match=r"nobody whom trust\.yaml trusts has admitted"):
        story.stands()
    story.admit("Bo")  # a reviewer, who is no owner
    with pytest.raises(Untrusted, match=r"'Bo' is a reviewer, and an admission takes an owner"):
        story.stands()
    story.admit(at=time(2), snapshot="66" * 32)
    with pytest.raises(Untrusted):
        story.stands()


def test_only_what_was_said_until_then_is_looked_at(story: Story) -> None:
    admitted = story.admit(at=time(10))
    story.approve("Bo", admitted, at=time(20))
    story.revoke("Ana", at=time(30))
    with pytest.raises(Untrusted):
        story.stands(at=time(9))
    assert [story.stands(at=time(minute)).status for minute in (10, 19, 20, 29, 30)] == [
        "waiting", "waiting", "approved", "approved", "revoked",
    ]  # fmt: skip


@pytest.mark.parametrize("against", ["revoke", "reject"])
def test_a_clock_that_was_set_back_does_not_unmake_what_was_said_against_it(story: Story, against: str) -> None:
    admitted = story.admit()
    story.approve("Bo", admitted)
    ahead = "2999-01-01T00:00:00.000000Z"
    if against == "revoke":
        story.revoke("Ana", at=ahead)
    else:
        story.reject("Cy", admitted, at=ahead)
    assert story.stands().status == "approved"  # at a named moment
    assert standing(story.ledger, story.trust, SNAPSHOT).status == ("revoked" if against == "revoke" else "rejected")


def test_nobody_approves_their_own(story: Story) -> None:
    admitted = story.admit("Oz")  # an owner who is a reviewer as well
    story.approve("Oz", admitted)
    stands = story.stands()
    assert stands.status == "waiting"
    assert "Oz admitted the snapshot, and nobody approves their own" in stands.ignored[0]
    lenient = Trust("t", "0" * 64, story.trust.keys, {"snapshot": Demand(1, ("reviewer",), True)})
    assert story.stands(trust=lenient).status == "approved"


def test_nor_with_another_key_of_theirs(story: Story) -> None:
    phone = new_key("phone of Oz")
    keys = [*story.trust.keys.values(), trusted(phone, "owner", "reviewer", name="Oz")]
    admitted = story.admit("Oz")
    forged(story.ledger, Approval(statement=admitted.digest), phone, made=time(5), author="Oz")
    stands = story.stands(trust=trusting(*keys))
    assert stands.status == "waiting"
    assert "nobody approves their own" in stands.ignored[0]


def test_two_approvals_are_by_two_people(story: Story) -> None:
    two = Trust("t", "0" * 64, story.trust.keys, {"snapshot": Demand(2, ("reviewer",), False)})
    admitted = story.admit()
    story.approve("Bo", admitted, at=time(2))
    story.approve("Bo", admitted, at=time(3))
    stands = story.stands(trust=two)
    assert stands.status == "waiting"
    assert stands.reasons == ("1 approval by a reviewer, other than Ana, is still needed (1 of 2)",)
    story.approve("Cy", admitted, at=time(4))
    assert story.stands(trust=two).status == "approved"


def test_no_approval_may_be_demanded(story: Story) -> None:
    none = Trust("t", "0" * 64, story.trust.keys, {"snapshot": Demand(0, ("reviewer",), False)})
    story.admit()
    assert story.stands(trust=none).status == "approved"


def test_approvals_that_do_not_count_are_told(story: Story) -> None:
    admitted = story.admit()
    story.approve("Rel", admitted)
    forged(story.ledger, Approval(statement=admitted.digest), new_key("Mallory"), made=time(5))
    forged(story.ledger, Approval(statement=admitted.digest), new_key("M"), made=time(5), author="Bo")
    stands = story.stands()
    assert stands.status == "waiting"
    assert len(stands.ignored) == 3
    assert sum("does not trust" in each for each in stands.ignored) == 2
    assert sum("'Rel' is a release key, and an approval takes a reviewer" in each for each in stands.ignored) == 1


def test_an_approval_of_another_admission_does_not_count(story: Story) -> None:
    other = story.admit(snapshot="66" * 32)
    story.approve("Bo", other)
    story.admit(at=time(2))
    assert story.stands().status == "waiting"


def test_an_approval_older_than_its_admission_is_broken(story: Story) -> None:
    admitted = story.admit(at=time(10))
    story.approve("Bo", admitted, at=time(9))
    with pytest.raises(Damaged, match="it is older than statement"):
        story.stands()


def test_unless_a_stranger_made_it(story: Story) -> None:
    """Nobody who is not trusted can break a snapshot."""
    mallory = new_key("Mallory")
    admitted = story.admit(at=time(10))
    forged(story.ledger, Approval(statement=admitted.digest), mallory, made=time(9))
    forged(story.ledger, Revocation(snapshot=SNAPSHOT, why="x"), mallory, made=time(11))
    forged(story.ledger, Rejection(statement=admitted.digest, why="x"), mallory, made=time(12))
    story.approve("Bo", admitted, at=time(13))
    stands = story.stands()
    assert stands.status == "approved"
    assert len(stands.ignored) == 3


def test_a_rejection_outweighs_every_approval_until_its_author_approves(story: Story) -> None:
    admitted = story.admit()
    story.approve("Bo", admitted, at=time(2))
    story.reject("Cy", admitted, at=time(3))
    stands = story.stands()
    assert stands.status == "rejected"
    assert stands.reasons == ("rejected by Cy on 2026-11-21 10:03 UTC: cut off",)
    story.approve("Bo", admitted, at=time(4))
    assert story.stands().status == "rejected"
    story.approve("Cy", admitted, at=time(5))
    assert (story.stands().status, story.stands().rejections) == ("approved", ())
    story.reject("Cy", admitted, at=time(6))
    assert story.stands().status == "rejected"
    assert story.stands(at=time(5)).status == "approved"


def test_a_rejection_is_not_got_round_by_admitting_the_same_again(story: Story) -> None:
    story.reject("Cy", story.admit())
    again = story.admit(at=time(10))
    story.approve("Bo", again, at=time(11))
    assert story.stands().status == "rejected"
    story.approve("Cy", again, at=time(12))
    assert story.stands().status == "approved"


def test_of_two_words_at_once_the_no_counts(story: Story) -> None:
    admitted = story.admit()
    story.approve("Bo", admitted, at=time(3))
    story.reject("Bo", admitted, at=time(3))
    assert story.stands().status == "rejected"


def test_an_owner_without_the_role_cannot_reject_but_revoke(story: Story) -> None:
    admitted = story.admit()
    story.approve("Bo", admitted)
    story.reject("Ana", admitted)
    assert story.stands().status == "approved"
    story.revoke("Ana")
    stands = story.stands()
    assert stands.status == "revoked"
    assert stands.reasons == ("revoked by Ana on 2026-11-21 10:07 UTC: consent withdrawn",)


def test_a_revoked_snapshot_stays_revoked_whoever_admits_and_approves_it_again(story: Story) -> None:
    story.revoke("Bo", at=time(5))
    again = story.admit("Oz", at=time(10))
    story.approve("Cy", again, at=time(11))
    assert story.stands().status == "revoked"
    assert story.stands(at=time(11)).revocations[0].author == "Bo"


def test_a_revocation_of_another_snapshot_changes_nothing(story: Story) -> None:
    story.approve("Bo", story.admit())
    story.revoke("Ana", snapshot="66" * 32)
    assert story.stands().status == "approved"


def test_a_waiver_that_is_over_makes_it_expired_for_what_comes_later(story: Story) -> None:
    waiver = story.waive("Bo", until=time(30))
    admitted = story.admit(waivers=[waiver.digest])
    story.approve("Cy", admitted)
    assert story.stands(at=time(29)).status == "approved"
    assert [one.digest for one in story.stands(at=time(29)).waivers] == [waiver.digest]
    stands = story.stands(at=time(30))
    assert stands.status == "expired"
    assert stands.reasons == ("the waiver of pii by Bo was over on 2026-11-21 10:30 UTC",)


@pytest.mark.parametrize("who", ["Rel", "Mallory"])
def test_an_admission_on_a_waiver_that_does_not_count_does_not_count(story: Story, who: str) -> None:
    signer = story.people[who] if who in story.people else new_key(who)
    about = Waiver(rule="pii", findings=["f" * 64], until=time(30), why="x")
    waiver = forged(story.ledger, about, signer, made=time(0))
    story.admit(waivers=[waiver.digest])
    with pytest.raises(Untrusted, match="waiver"):
        story.stands()


def test_an_admission_on_a_waiver_that_was_over_by_then_does_not_count(story: Story) -> None:
    waiver = story.waive("Bo", until=time(3))
    story.admit(waivers=[waiver.digest], at=time(3))
    with pytest.raises(Untrusted, match="was over before it was made"):
        story.stands(at=time(3))


def test_an_admission_on_a_review_by_a_stranger_does_not_count(story: Story) -> None:
    about = Review(verdicts="7" * 64, sampled=1, good=1, bad=0, seed=1)
    review = forged(story.ledger, about, new_key("Mallory"), made=time(0))
    story.admit(reviews=[review.digest])
    with pytest.raises(Untrusted, match=r"review .* does not trust"):
        story.stands()


def test_what_an_admission_rests_on_has_to_be_there_and_to_be_what_it_says(story: Story) -> None:
    story.admit(waivers=["9" * 64])
    with pytest.raises(Damaged, match="is not there"):
        story.stands()


def test_a_waiver_made_after_the_admission_is_broken(story: Story) -> None:
    waiver = story.waive("Bo", until=time(50), at=time(20))
    story.admit(waivers=[waiver.digest], at=time(10))
    with pytest.raises(Damaged, match="it is older than statement"):
        story.stands()


def test_a_waiver_that_is_no_waiver(story: Story) -> None:
    other = story.revoke("Bo", at=time(0), snapshot="66" * 32)
    story.admit(waivers=[other.digest])
    with pytest.raises(Damaged, match="neither"):
        story.stands()


def test_a_key_that_is_revoked_later_keeps_what_it_said(story: Story) -> None:
    admitted = story.admit(at=time(1))
    story.approve("Bo", admitted, at=time(5))
    people = story.people
    trust = trusting(
        trusted(people["Ana"], "owner", revoked=time(3), why_revoked="left"),
        trusted(people["Bo"], "reviewer", revoked=time(6), why_revoked="laptop stolen"),
    )
    assert story.stands(trust=trust).status == "approved"
    earlier = trusting(
        trusted(people["Ana"], "owner"), trusted(people["Bo"], "reviewer", revoked=time(5), why_revoked="laptop stolen")
    )
    stands = story.stands(trust=earlier)
    assert stands.status == "waiting"
    assert "was revoked as of 2026-11-21 10:05 UTC (laptop stolen)" in stands.ignored[0]


def test_an_approval_from_before_a_key_counted(story: Story) -> None:
    admitted = story.admit(at=time(1))
    story.approve("Bo", admitted, at=time(5))
    trust = trusting(trusted(story.people["Ana"], "owner"), trusted(story.people["Bo"], "reviewer", since=time(6)))
    assert story.stands(trust=trust).status == "waiting"


def test_what_was_erased_in_part(story: Story) -> None:
    story.approve("Bo", story.admit())
    about = Erasure(examples=["8" * 64], objects={}, snapshots=[SNAPSHOT], why="Article 17")
    forged(story.ledger, about, story.people["Bo"], made=time(8))  # no owner
    assert story.stands().status == "approved"
    forged(story.ledger, about, story.people["Ana"], made=time(9))
    stands = story.stands()
    assert (stands.status, len(stands.erasures), len(stands.ignored)) == ("erased", 1, 1)
    assert stands.reasons == ("erased in part by Ana on 2026-11-21 10:09 UTC: Article 17",)


def test_of_several_admissions_the_one_that_stands_best_counts(story: Story) -> None:
    first = story.admit("Ana", at=time(1))
    second = story.admit("Oz", at=time(2))
    assert story.stands().admission.digest == first.digest
    story.approve("Cy", second, at=time(4))
    assert (story.stands().status, story.stands().admission.digest) == ("approved", second.digest)


def test_a_damaged_statement_is_never_passed_over(story: Story) -> None:
    story.approve("Bo", story.admit())
    revocation = story.revoke("Ana")
    path = story.ledger.store.statement_path(revocation.digest)
    path.write_bytes(path.read_bytes().replace(b"sig", b"sib"))
    with pytest.raises(Damaged, match="not what its name says"):
        story.stands()
