"""Signed envelopes: in-toto v1 statements in DSSE, signed with Ed25519.

A statement's file is the RFC 8785 bytes of its envelope, and its name is their SHA-256. Whatever reads one serialises
it again and compares the bytes, because DSSE alone would still verify with unsigned fields added.
Sources: in-toto attestation v1 (Statement), DSSE v1.0 (`PAE`), RFC 8785 (JSON Canonicalization Scheme), RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson

from gate.store.objects import Damaged

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
LARGEST = 64 << 20
"""Bytes of an envelope: a guard against the wrong file."""


class Signer(Protocol):
    """Somebody who can sign: a private key and the name that its owner goes by."""

    @property
    def keyid(self) -> str:
        """SHA-256 (hex) of the 32 bytes of the public key."""
        ...

    @property
    def name(self) -> str: ...

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature."""
        ...


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed payload whose form was checked, and whose signature was not yet."""

    digest: str
    """SHA-256 (hex) of its bytes, by which it is referred to."""
    payload: bytes
    statement: Mapping[str, object]
    """The payload as JSON: an in-toto v1 statement."""
    keyid: str
    signature: bytes

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        return pae(PAYLOAD_TYPE, self.payload)


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of some JSON.

    Raises:
        ValueError: a number of more than 53 bits, NaN, or half of a surrogate pair.
    """
    import rfc8785

    return rfc8785.dumps(value)  # type: ignore[arg-type]  # what it cannot take, it says


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign(statement: Mapping[str, object], signer: Signer) -> bytes:
    """The bytes of the envelope around a statement."""
    payload = canonical(statement)
    signature = signer.sign(pae(PAYLOAD_TYPE, payload))
    return canonical(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": signer.keyid, "sig": base64.b64encode(signature).decode()}],
        }
    )


def opened(content: bytes, name: str) -> Envelope:
    """An envelope whose form is right; its signature has still to be checked (`gate.provenance.trust`).

    Args:
        name: how to name its file to a person.

    Raises:
        Damaged: it is no envelope around an in-toto statement with one signature, or not in canonical form.
    """
    try:
        if len(content) > LARGEST:
            raise ValueError("too large")
        outer = orjson.loads(content)
        if canonical(outer) != content or outer.keys() != {"payload", "payloadType", "signatures"}:
            raise ValueError("not the canonical form")
        if outer["payloadType"] != PAYLOAD_TYPE:
            raise ValueError("another payload type")
        (one,) = outer["signatures"]
        if one.keys() != {"keyid", "sig"} or not isinstance(one["keyid"], str):
            raise ValueError("not one signature")
        payload = base64.b64decode(outer["payload"], validate=True)
        signature = base64.b64decode(one["sig"], validate=True)
        statement = orjson.loads(payload)
        if canonical(statement) != payload or statement.get("_type") != STATEMENT_TYPE:
            raise ValueError("the payload is no canonical in-toto statement")
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, RecursionError) as error:
        raise Damaged(f"not a signed statement ({error})", where=name) from None
    return Envelope(hashlib.sha256(content).hexdigest(), payload, statement, one["keyid"], signature)
