"""Invented personal data that passes every checksum and belongs to nobody, for planting into generated corpora.

Domains were made up; phone numbers have central office codes that are never assigned (N11: NANPA);
IBANs name a bank code that does not exist; cards carry a valid Luhn digit (ISO/IEC 7812-1).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_NAMES = ("marta", "jonas", "aiko", "priya", "tomas", "leila", "owen", "ines", "hiro", "freya")
_DOMAINS = ("postkutschen-mail.com", "harbourmail-tidewell.com", "kontor-sieben.de")


def _digits(draw: np.random.Generator, count: int) -> str:
    return "".join(map(str, draw.integers(0, 10, count)))


def _mail(draw: np.random.Generator) -> str:
    return f"Write to {draw.choice(_NAMES)}.{draw.integers(10_000)}@{draw.choice(_DOMAINS)}"


def _phone(draw: np.random.Generator) -> str:
    area, office = draw.choice(["212", "303", "415", "604"]), draw.choice(["311", "611", "711"])
    return f"My phone number is ({area}) {office}-{_digits(draw, 4)}"


def _card(draw: np.random.Generator) -> str:
    body = "4556" + _digits(draw, 11)
    doubled = [int(digit) * 2 if at % 2 == 0 else int(digit) for at, digit in enumerate(body)]
    check = -sum(value - 9 if value > 9 else value for value in doubled) % 10
    whole = body + str(check)
    return "The card is " + " ".join(whole[at : at + 4] for at in range(0, 16, 4))


def _iban(draw: np.random.Generator) -> str:
    account = "00000000" + _digits(draw, 10)
    check = 98 - int(account + "131400") % 97  # D is 13, E is 14 (ISO 13616)
    whole = f"DE{check:02d}{account}"
    return "The account is " + " ".join(whole[at : at + 4] for at in range(0, 22, 4))


def _ip(draw: np.random.Generator) -> str:
    return "The server is 84." + ".".join(map(str, draw.integers(1, 255, 3)))


VALUES: dict[str, Callable[[np.random.Generator], str]] = {
    "EMAIL_ADDRESS": _mail,
    "PHONE_NUMBER": _phone,
    "CREDIT_CARD": _card,
    "IBAN_CODE": _iban,
    "IP_ADDRESS": _ip,
}
"""For each entity a sentence with one value of it."""
