"""Secrets in the texts of examples: keys, tokens, private keys, and passwords in addresses and assignments.

The kinds are in `secrets_kinds`, with the source of each form; `secrets_detect` finds them in one text, with
`detect-secrets` and gate's own expressions. Here whole columns are looked through in Rust first, so that only the few
texts in which a kind can stand are looked at one by one.
"""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field, field_validator

from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, check, found
from gate.checks.secrets_detect import Limits, hits
from gate.checks.secrets_kinds import CODES, KINDS, SecretKind
from gate.data.masking import mask_value
from gate.data.views import Frames

_EVERY_KIND = "*"
_ROWS = 20_000
"""Examples whose texts are made and looked through at once: bounds what is held besides the frame."""
_SHOWN = 80
"""Characters of a masked value that are shown: a private key has thousands."""


class SecretsParams(Params):
    """What to look for, how random it has to look, and what may stay."""

    entropy: float = Field(ge=0, le=8)
    """Bits per character below which a token of a known form is a placeholder."""
    generic_entropy: float = Field(ge=0, le=8)
    """Bits per character from which what is assigned to the name of a key is a secret."""
    hexadecimal_entropy: float = Field(ge=0, le=8)
    """The same for hexadecimal digits, which cannot have more than 4."""
    ignore: tuple[SecretKind, ...] = ()
    """Kinds that are not looked for."""
    info: tuple[SecretKind, ...] = ()
    """Kinds that are counted and never block."""
    allow: tuple[str, ...] = ()
    """Values that are no finding, exactly as they stand in the text."""
    allow_patterns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Regular expressions, by kind (`*` for all): a value that one of them matches from its first to its last character
    is no finding. They run in linear time, and so know neither look-around nor back-references."""
    documentation: Literal["info", "count"] = "info"
    """Placeholders and values that vendors publish as examples: `info`, or like all others."""

    @field_validator("allow_patterns")
    @classmethod
    def _patterns(cls, by_kind: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        unknown = by_kind.keys() - KINDS.keys() - {_EVERY_KIND}
        if unknown:
            raise ValueError(f"not a kind of secret: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
        for pattern in (each for patterns in by_kind.values() for each in patterns):
            try:
                for form in (pattern, _whole(pattern)):  # by itself too: `a)|(?:b` would close the group
                    pl.Series([""]).str.contains(form)
            except pl.exceptions.ComputeError as error:
                reason = str(error).strip().splitlines()[-1]
                raise ValueError(f"not a regular expression that runs in linear time: {pattern} ({reason})") from None
        return by_kind


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"


@check(
    "secrets",
    params=SecretsParams,
    codes=CODES,
    fails=(
        {
            "instruction": "How do I connect to the ledger?",
            "output": "With psql postgres://billing:t7Kq-vR2mZx9@db.harbour-lights.co.uk:5432/ledger",
        },
    ),
    passes=(
        {
            "instruction": "How do I connect to the ledger?",
            "output": "With psql postgres://billing:<password>@db.harbour-lights.co.uk:5432/ledger",
        },
    ),
    libraries=("detect-secrets",),
)
def secrets(frames: Frames, params: SecretsParams, context: Context) -> Measurement:
    """Credentials in any text of an example: keys and tokens of cloud, code and model services, private keys,
    passwords in addresses and connection strings, and random-looking values assigned to the name of a key.

    Figures: texts looked through, and texts in which something could stand.
    """
    if not frames.examples.height:
        return Measurement(NOTHING_FOUND, 0, skipped="there is no example to look at")
    kinds = [kind for kind in KINDS if kind not in params.ignore]
    limits = Limits(params.entropy, params.generic_entropy, params.hexadecimal_entropy)
    spans: list[tuple[int, str, int, int, str, bool, str]] = []
    texts = looked_at = 0
    for first, part in frames.slices(_ROWS):
        texts += part.texts.height
        candidates = possible(part.texts, kinds)
        looked_at += candidates.height
        # One by one: a match has to be judged by its surroundings, which no column expression does. Some 20 µs per
        # candidate text of 600 characters, and few are candidates (see `possible`).
        for index, field, text, wanted in candidates.iter_rows():
            for hit in hits(text, wanted, limits):
                value = text[hit.start : hit.end]
                spans.append((first + index, field, hit.start, hit.end, hit.kind, hit.documentation, value))
    findings = _findings(spans, params, frames)
    return Measurement(
        findings, frames.examples.height, figures={"texts": float(texts), "candidates": float(looked_at)}
    )


def possible(texts: pl.DataFrame, kinds: list[SecretKind]) -> pl.DataFrame:
    """The texts in which a kind of secret can stand: index, field, text, kinds.

    One pass for the literals of all kinds leaves few texts, on which the expression of each kind is tried.
    """
    literals = sorted({literal for kind in kinds for literal in KINDS[kind].literals} - _EVERYWHERE)
    rare = "|".join(KINDS[kind].possible for kind in kinds if _EVERYWHERE & set(KINDS[kind].literals))
    has = pl.col("text").str.contains_any(literals, ascii_case_insensitive=True)
    chosen = texts.filter(has | pl.col("text").str.contains(rare) if rare else has)
    wanted = pl.concat_list(
        pl.when(pl.col("text").str.contains(KINDS[kind].possible)).then(pl.lit(kind)) for kind in kinds
    ).list.drop_nulls()
    return chosen.with_columns(kinds=wanted).filter(pl.col("kinds").list.len() > 0)


_EVERYWHERE = {".", "sk"}
"""Literals that stand in most texts: the expressions of their kinds tell more, at once."""


def _findings(
    spans: list[tuple[int, str, int, int, str, bool, str]], params: SecretsParams, frames: Frames
) -> pl.DataFrame:
    schema = {
        "index": pl.UInt32, "field": pl.String, "start": pl.UInt32, "end": pl.UInt32, "code": pl.String,
        "documentation": pl.Boolean, "value": pl.String,
    }  # fmt: skip
    value = pl.col("value")
    allowed = value.is_in(params.allow)
    for kind, patterns in params.allow_patterns.items():
        concerned = pl.lit(True) if kind == _EVERY_KIND else pl.col("code") == kind
        for pattern in patterns:
            allowed = allowed | (concerned & value.str.contains(_whole(pattern)))
    sample = pl.col("documentation") & (params.documentation == "info")
    what = pl.col("code").replace_strict(CODES, return_dtype=pl.String)
    places = frames.examples.select("id", "file", "row").with_row_index("index")
    findings = (
        pl.DataFrame(spans, schema=schema, orient="row")
        .filter(~allowed)
        .select(
            "index", "field", "start", "end", "code",
            severity=pl.when(sample | pl.col("code").is_in(params.info)).then(pl.lit("info")),
            message=pl.when("documentation").then(pl.lit("A placeholder or an example: ") + what).otherwise(what),
            evidence=value.map_elements(lambda each: mask_value(each)[:_SHOWN], return_dtype=pl.String),
        )
    )  # fmt: skip
    return found(findings.join(places, on="index", how="left", maintain_order="left").drop("index"))
