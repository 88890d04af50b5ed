"""Planted credentials, and texts that were decoded wrongly or hold what nobody sees.

The keys are drawn at random in the form that real ones have, and open nothing.
"""

from __future__ import annotations

from string import ascii_letters, ascii_uppercase, digits

from grammar import Grammar, Row
from planting import FAQ, PREFERENCES, RATINGS, TRAIN, Plant, Slot, edited, turns


def secrets(grammar: Grammar) -> list[Slot]:
    """Keys that customers and colleagues pasted, and one that documentation publishes, which only counts."""

    def said(code: str, what: str, text: str, severity: str | None = None) -> Slot:
        row = grammar.ticket(system=False)
        planted = edited(row, lambda it: turns(it)[0].update(content=f"{turns(it)[0]['content']} {text}"))
        return Slot(TRAIN, planted, planted if severity else row, (Plant("secrets", code, what, severity=severity),))

    lines = [grammar.token(ascii_letters + digits + "+/", 64) for _ in range(4)]
    pem = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *lines, "-----END RSA PRIVATE KEY-----"])
    access_key = "AKIA" + grammar.token(ascii_uppercase + "234567", 16)
    password = grammar.token(ascii_letters + digits, 14)
    answered = grammar.faq()
    return [
        said(
            "aws_access_key",
            "an access key of AWS in a customer's turn",
            f"Our shop reads your prices as {access_key}.",
        ),
        said("private_key", "a private key in PEM form", f"This came with the sticker, is it yours?\n{pem}"),
        said(
            "aws_access_key",
            "the access key that the documentation of AWS prints",
            "Your guide for shops shows AKIAIOSFODNN7EXAMPLE.",
            severity="info",
        ),
        Slot(
            FAQ,
            {
                **answered,
                "answer": f"{answered['answer']} Details: postgres://desk:{password}@db.tidewell.internal/parts",
            },
            answered,
            (Plant("secrets", "connection_string", "a database's address with its password"),),
        ),
    ]


def encoding(grammar: Grammar) -> list[Slot]:
    """What happens to texts between two programs that disagree about encodings."""
    german, clean, pair, rated = grammar.faq("de"), grammar.ticket(system=False), grammar.preference(), grammar.rating()
    german["answer"] = f"{german['answer']} Für größere Schäden gibt es eine Prüfung."

    def plant(code: str, what: str) -> tuple[Plant, ...]:
        return (Plant("encoding", code, what),)

    def hide(row: Row) -> None:
        first, rest = str(turns(row)[-1]["content"]).split(" ", 1)
        turns(row)[-1]["content"] = f"{first} \u200b{rest}"

    return [
        Slot(
            FAQ,
            {**german, "answer": str(german["answer"]).encode().decode("latin-1")},
            german,
            plant("mojibake", "UTF-8 that was read as Latin-1"),
        ),
        Slot(TRAIN, edited(clean, hide), clean, plant("zero_width", "a space of no width in an answer")),
        Slot(
            PREFERENCES,
            {**pair, "chosen": f"Thank you.\x07 {pair['chosen']}"},
            pair,
            plant("control_character", "a bell (U+0007) in the chosen answer"),
        ),
        Slot(
            RATINGS,
            {**rated, "prompt": f"{rated['prompt']} The caf\ufffd in our office has one as well."},
            rated,
            plant("replacement_character", "U+FFFD where a character was lost"),
        ),
    ]
