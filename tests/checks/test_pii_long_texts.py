"""A long text is looked through in windows: the same findings, in time that grows with the text."""

from __future__ import annotations

import random
import time

import pytest

from gate.checks.presidio import process
from gate.checks.presidio.engine import Setup

ENTITIES = ("CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "PHONE_NUMBER", "US_SSN")
PIECES = (
    "call me on 415-555-0132 ",
    "mail jo.roe@corp-harbour.com ",
    "the ship came in at noon and left before the tide did ",
    "10.2.3.4 is down ",
    "ssn 536-22-1234 ",
    "DE89370400440532013000 ",
)


@pytest.fixture(scope="module")
def analyzer() -> process.Analyzer:
    return process._analyzer(Setup("blank", None, "en", tuple((entity, 0.4) for entity in ENTITIES)))


@pytest.mark.parametrize("seed", range(3))
def test_windows_find_what_one_look_finds(analyzer: process.Analyzer, seed: int) -> None:
    dice = random.Random(seed)
    text = "".join(dice.choices(PIECES, k=1_100))
    assert len(text) > 2 * process.LONG
    assert sorted(analyzer.spans(text, "en", ENTITIES)) == sorted(analyzer._spans(text, "en", ENTITIES))


def test_a_hundred_thousand_characters_of_addresses_take_seconds(analyzer: process.Analyzer) -> None:
    """In one look they take some 165 s."""
    begun = time.process_time()
    assert len(analyzer.spans("10.2.3.4 " * 11_200, "en", ENTITIES)) == 11_200
    assert time.process_time() - begun < 60
