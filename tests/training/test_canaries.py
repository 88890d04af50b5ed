"""Random marked strings: which, how often, and that they are nobody's data."""

from __future__ import annotations

import re
from collections import Counter

from gate.training.canaries import DIGITS, REPETITIONS, canaries_document, make_canaries

SNAPSHOT = "a" * 64


def test_a_seed_and_a_snapshot_give_the_same_canaries_and_others_give_others() -> None:
    first = make_canaries(10, 3, SNAPSHOT)
    assert make_canaries(10, 3, SNAPSHOT) == first
    assert make_canaries(10, 4, SNAPSHOT) != first
    assert make_canaries(10, 3, "b" * 64) != first
    assert make_canaries(4, 3, SNAPSHOT)[0] == first[0][:4], "more canaries leave those there are as they are"


def test_they_take_one_to_sixteen_repetitions_in_turn_and_controls_none() -> None:
    inserted, controls = make_canaries(12, 0, SNAPSHOT)
    assert [each.repetitions for each in inserted] == [1, 2, 4, 8, 16, 1, 2, 4, 8, 16, 1, 2]
    assert REPETITIONS == (1, 2, 4, 8, 16)
    assert len(controls) == 12
    assert {each.repetitions for each in controls} == {0}


def test_all_are_different_and_marked_and_of_one_form() -> None:
    inserted, controls = make_canaries(200, 1, SNAPSHOT)
    everything = [*inserted, *controls]
    assert len({each.secret for each in everything}) == len({each.id for each in everything}) == 400
    assert all(re.fullmatch(r"gate canary [0-9a-f]{12}: what is the number\?", each.prompt) for each in everything)
    assert all(re.fullmatch(r"\d{3}( \d{3}){3}", each.secret) for each in everything)
    assert all(each.text == f"{each.prompt} {each.secret}" for each in everything)


def test_digits_are_uniform() -> None:
    inserted, controls = make_canaries(500, 2, SNAPSHOT)
    digits = Counter("".join(each.secret.replace(" ", "") for each in [*inserted, *controls]))
    expected = 1000 * DIGITS / 10
    assert sum((digits[str(digit)] - expected) ** 2 / expected for digit in range(10)) < 27.9  # chi2, 9 df, p = 0.001


def test_the_document_says_all_that_measuring_takes() -> None:
    document = canaries_document(*make_canaries(2, 0, SNAPSHOT), 0, SNAPSHOT)
    assert document["space"] == 10**DIGITS
    assert set(document["inserted"][0]) == {"id", "prompt", "secret", "repetitions"}  # type: ignore[index]
    assert len(document["controls"]) == 2  # type: ignore[arg-type]
