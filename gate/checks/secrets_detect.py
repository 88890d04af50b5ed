"""Finds secrets in one text: what the plug-ins of detect-secrets and gate's own expressions see there, without overlap.

Nothing is verified over the network: of a plug-in only its expressions are applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from gate.checks.secrets_examples import at_reserved_host, entropy, is_stand_in, opens_nothing
from gate.checks.secrets_kinds import KINDS, Secret, SecretKind

_HEXADECIMAL = re.compile(r"(?:0x)?[0-9a-fA-F-]+")
_CODE = re.compile(r"[A-Za-z_][\w.]*\(|\b(?:os\.environ|process\.env|getenv|config|self|this|request|settings)\b[.\[(]")


class _Plugin(Protocol):
    @property
    def denylist(self) -> Iterable[re.Pattern[str]]: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How random a value has to look, in bits per character."""

    token: float
    """Of a token of a known form: below, it is a placeholder."""
    generic: float
    """Of what is assigned to the name of a key: below, it is no secret."""
    hexadecimal: float
    """The same, of hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A value that has the form of a secret."""

    start: int
    end: int
    kind: SecretKind
    documentation: bool


def hits(text: str, kinds: Sequence[SecretKind], limits: Limits) -> list[Hit]:
    """The secrets in a text, by their first character; of those that overlap, the kind that comes first in `KINDS`."""
    seen: list[Hit] = []
    taken = bytearray(len(text))
    for kind, secret in KINDS.items():
        if kind not in kinds:
            continue
        for start, end in _spans(text, kind, secret):
            if 1 in taken[start:end]:
                continue
            verdict = _judge(text, start, end, kind, limits)
            if verdict is not None:
                seen.append(Hit(start, end, kind, verdict))
                taken[start:end] = b"\1" * (end - start)
    return sorted(seen, key=lambda hit: hit.start)


def _spans(text: str, kind: SecretKind, secret: Secret) -> Iterator[tuple[int, int]]:
    for pattern in secret.patterns:
        for match in pattern.finditer(text):
            start, end = match.span("value" if "value" in pattern.groupindex else 0)
            if not secret.bounded or _alone(text, start, end):
                yield start, end
    if secret.plugin is not None:
        # What its `analyze_string` gives is the last group of each match, and no place.
        for match in (match for each in _plugin(*secret.plugin).denylist for match in each.finditer(text)):
            start, end = match.span()
            if kind in ("twilio_key", "aws_access_key") and not re.match(secret.possible, match.group()):
                continue  # what these plug-ins find beside the key itself: account ids, and what aws_secret_key is for
            start += len("AccountKey=") * (kind == "azure_key")
            if not secret.bounded or _alone(text, start, end):
                yield start, end


def _alone(text: str, start: int, end: int) -> bool:
    return not (text[max(start - 1, 0) : start].isalnum() or text[end : end + 1].isalnum())


@cache
def _plugin(module: str, name: str) -> _Plugin:
    return cast(_Plugin, getattr(import_module(f"detect_secrets.plugins.{module}"), name)())


@cache
def _is_jwt() -> Callable[[str], bool]:
    from detect_secrets.plugins.jwt import JwtTokenDetector

    return cast(Callable[[str], bool], JwtTokenDetector.is_formally_valid)


def _judge(text: str, start: int, end: int, kind: SecretKind, limits: Limits) -> bool | None:
    """Whether a value is one of documentation; None where it is no secret at all."""
    value = text[start:end]
    if kind == "jwt":
        if not _is_jwt()(value.rstrip(".")):
            return None
        return opens_nothing(value, limits.token)
    if kind == "private_key":
        # Short bodies and dots stand for a key; the smallest real ones (Ed25519) have 64 characters of base64.
        body = re.sub(r"\\[nr]|\s", "", value)
        return len(body) < 60 or "..." in body or entropy(body) < limits.token
    if kind in ("connection_string", "basic_auth"):
        return is_stand_in(value) or at_reserved_host(text[end : end + 80])
    if kind == "generic_password":
        return _password(value, limits)
    if kind == "generic_secret":
        return _generic(value, limits)
    return opens_nothing(value, limits.token)


def _password(value: str, limits: Limits) -> bool | None:
    if _CODE.search(value) or not any(each.isalnum() for each in value):
        return None
    typed = value.isalpha() or value.isdigit() or entropy(value) < limits.token
    return typed or is_stand_in(value)


def _generic(value: str, limits: Limits) -> bool | None:
    """A random value has digits between its letters; names, paths, sentences and versions are no secrets."""
    if _CODE.search(value) or not any(each.isdigit() for each in value):
        return None
    floor = limits.hexadecimal if _HEXADECIMAL.fullmatch(value) else limits.generic
    if entropy(value) < floor or value.startswith(("http://", "https://", "/", "./")):
        return None
    return opens_nothing(value, floor)
