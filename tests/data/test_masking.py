"""What may be shown of a dataset: ordinary text as it is, contacts and credentials never."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.data.masking import mask_text, mask_value

SENSITIVE = [
    "marietta.oduya@northwind-traders.com",
    "m@é.fr",
    "(415) 867-3099",
    "+44 20 7946 0958",
    "4539 1488 0343 6467",
    "4539148803436467",
    "536-22-8726",
    "DE75512108001245126199",
    "GB29 NWBK 6016 1331 9268 19",
    "81.2.69.142",
    "2a02:8109:9c40:2f00::1",
    "00:1B:44:11:3A:B7",
    "AKIAQ3EGRIZB5J4XNTOY",
    "wJalrXUtnFEMIK7MDENGbPxRfiCYzQ9XkLp4TTVa",
    "ghp_R7vQm2Xc9Lk4Tn8Wp3Zs6Yb1Hd5Jf0GaKeUo",
    "sk-proj-t9QmZ4vX7cR2nL8kW5yB1hJ6dF3gS0aP",
    "xoxb-284719365012-3958271640283-Qw8ErTy2UiOp5AsDf",
    "1BoatSLRHtKNngkdXEeobR76b53LETtpyT",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r",
    "AIzaSyD3kT0vQ8nM1xWcR5uYpL2jFhG7bEaS9dZ",
]


@pytest.mark.parametrize("value", SENSITIVE)
@pytest.mark.parametrize("around", ["{}", "on file: {}.", '"{}"', "\n{}\n", "x={},", "({})"])
def test_what_identifies_or_opens_is_hidden_wherever_it_stands(value: str, around: str) -> None:
    shown = mask_text(around.format(value))
    assert value not in shown
    assert not any(part in shown for part in value.replace("@", " ").split() if len(part) > 5), shown


def test_credentials_inside_a_url_and_after_a_name_are_hidden() -> None:
    assert "s3cr3t" not in mask_text("postgres://billing:s3cr3tPassw0rd@db.example.org:5432/ledger")
    assert "hunter2" not in mask_text("password=hunter2 and")
    assert "hunter2" not in mask_text('"password": "hunter2"')
    assert "horse" not in mask_text("API_KEY: horse")


def test_a_pem_block_is_hidden_also_when_it_is_cut_off() -> None:
    block = "-----BEGIN RSA PRIVATE KEY-----\nabc\ndef\n"
    assert "abc" not in mask_text(block)
    assert "def" not in mask_text(block + "-----END RSA PRIVATE KEY-----")


@pytest.mark.parametrize(
    "text",
    [
        "How many clips did Natalia sell altogether in April and May? 48 + 24 = 72",
        "The robe costs $1,250.50 and takes 2 bolts of fibre.",
        "In 1969, on 20 July, Apollo 11 landed.",
        "def add(a, b):\n    return a + b",
        "東京は日本の首都です。",
    ],
)
def test_ordinary_text_stays_readable(text: str) -> None:
    assert mask_text(text) == text


def test_given_spans_are_hidden_too() -> None:
    assert mask_text("Her name is Ada Lovelace.", [(12, 24)]) == "Her name is *** ********."


@given(st.text())
def test_the_length_stays(text: str) -> None:
    assert len(mask_text(text)) == len(text)
    assert len(mask_value(text)) == len(text)


@pytest.mark.parametrize(
    "text", ["1 " * 50_000, "a@" * 50_000, "a1" * 50_000, ":" * 100_000, "-" * 100_000, "=" * 100_000]
)
def test_hostile_text_takes_no_time(text: str) -> None:
    begun = time.perf_counter()
    mask_text(text)
    assert time.perf_counter() - begun < 2
