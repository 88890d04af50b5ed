"""A statement stays readable when a later gate can say more."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gate.provenance.envelope import opened, sign
from gate.provenance.keys import PrivateKey
from gate.provenance.statements import Approval, drafted, now, read
from gate.store.objects import Damaged


def signed(person: PrivateKey, **changed: object) -> bytes:
    """An approval whose `about` has other fields: those that are None are not there at all."""
    draft = drafted(Approval(statement="ab" * 32), author=person.name, keyid=person.keyid, previous=None, made=now())
    about: dict[str, object] = draft["predicate"]["gate"]["about"]  # type: ignore[index]
    about |= changed
    for name in [name for name, value in changed.items() if value is None]:
        del about[name]
    return sign(draft, person)


def test_a_field_that_was_not_there_yet_stands_for_its_default(people: Mapping[str, PrivateKey]) -> None:
    person = next(iter(people.values()))
    found = read(opened(signed(person, note=None), "older.json"), "older.json")
    assert isinstance(found.about, Approval)
    assert found.about.note == ""


def test_what_nobody_knows_is_refused(people: Mapping[str, PrivateKey]) -> None:
    person = next(iter(people.values()))
    with pytest.raises(Damaged, match=r"newer\.json"):
        read(opened(signed(person, also="this"), "newer.json"), "newer.json")


def test_what_it_is_said_of_still_has_to_agree(people: Mapping[str, PrivateKey]) -> None:
    person = next(iter(people.values()))
    with pytest.raises(Damaged, match="do not agree"):
        read(opened(signed(person, statement="cd" * 32), "other.json"), "other.json")
