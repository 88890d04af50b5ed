"""The shipped rule on personal data: what its patterns let stay is arithmetic, and no way of writing a phone number."""

from __future__ import annotations

import re
from typing import cast

import pytest

from gate.folders import Folders
from gate.policy.load import load_policy

(RULE,) = (rule for rule in load_policy("base", Folders()).rules if rule.id == "pii")
PATTERNS = cast("dict[str, list[str]]", RULE.params["allow_patterns"])


def may_stay(entity: str, value: str) -> bool:
    return any(re.fullmatch(pattern, value) for pattern in PATTERNS[entity])


@pytest.mark.parametrize(
    "number",
    [
        "+1 415 555 2671", "(415) 555-2671", "415-555-2671", "415.555.2671", "415 555 2671", "4155552671", "555-2671",
        "1-800-555-2671", "1 (415) 555-2671", "07885 577 899", "020 7946 0958", "+44 20 7946 0958", "030/1234567",
        "030-123456", "(030) 123456", "+49 30 901820", "0171-5550123", "98765 43210", "98765-43210", "+91-98765-43210",
        "91-9876543210", "02-9374-4000", "(02) 9374 4000", "555.0132", "+14155552671",
    ],
)  # fmt: skip
def test_no_way_of_writing_a_phone_number_may_stay(number: str) -> None:
    assert not may_stay("PHONE_NUMBER", number)


@pytest.mark.parametrize(
    "arithmetic",
    [
        "1680000", "360-270", "3000-2000", "23786 - 17509", "(336 - 324", "28980-18480", "60000-40000", "360-270-90",
        "0.75-0.25-0.10", "99 - 9 - 9", "2400/12", "0.40/0.05", "600 / 3", "-0.3571428571", "(0.9235687435",
        "(0.20)156.25", "4000-4999", "+ 62426244000", "1200000-350000",
    ],
)  # fmt: skip
def test_arithmetic_may_stay(arithmetic: str) -> None:
    assert may_stay("PHONE_NUMBER", arithmetic)


@pytest.mark.parametrize(
    "card", ["4111 1111 1111 1111", "5555555555554444", "378282246310005", "3530111333300000", "30569309025904"]
)
def test_no_card_number_of_an_issuer_may_stay(card: str) -> None:
    assert not may_stay("CREDIT_CARD", card)


@pytest.mark.parametrize("number", ["1007411131329104", "43397884615385", "355909190063-746"])
def test_a_long_number_that_no_issuer_has_may_stay(number: str) -> None:
    assert may_stay("CREDIT_CARD", number)
