"""The order of the turns: who speaks after whom, which turn is empty, who has the last word.

Works on all turns of all examples in one long frame, so that a rule about neighbours is a comparison of a
column with itself, shifted by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from gate.checks.structure_problems import Problem
from gate.data.frame import ROLES
from gate.data.masking import mask_text, mask_value

VISIBLE = r"[^\s\p{Cc}\p{Cf}]"
"""A character that a reader can see: no space, control or format character (zero-width joiners and the like)."""

_CALL_IN_TEXT = r"[\[{(<]"
"""What a tool call that is written out in an assistant's text must contain: `<tool_call>`, JSON, `[f(x=1)]`."""

_BITS = {"user": 1, "assistant": 2, "system": 4, "tool": 0}
_UNKNOWN = 8
"""Who speaks in a conversation, as bits of one number: one pass over it instead of four."""

_BRIEF = 40  # characters of a role's name that are shown
_PLAIN_WORD = re.compile(r"[a-z_]{1,16}")


def blank(text: pl.Expr) -> pl.Expr:
    """Whether a text is null or has no visible character."""
    return ~text.fill_null("").str.contains(VISIBLE)


def excerpt(text: str, length: int) -> str:
    """The masked head of a text. Twice as much is masked as is shown: a number cut in two would not be known.

    Called row by row, over findings only: masking is regular expressions that Polars does not have.
    """
    return mask_text(text[: 2 * length])[:length]


def turns(examples: pl.DataFrame) -> pl.DataFrame:
    """Every turn of every message list, in order.

    Args:
        examples: with a column `index` (u32) beside those of `EXAMPLES`.

    Returns:
        `index`, `kind`, `column` (`messages`, `chosen` or `rejected`), `turn` (from 0), `last` (bool), the fields
        of a message, `calls` (bool: it calls a tool), `blank` (bool), and of the turn before it, where there is
        one (the first of an answer follows the last of the prompt): `previous` (role), `previous_calls` and, within
        its list, `previous_text`; likewise `next_role` and `next_calls` of the turn
        after it (the first of `chosen` follows the last of the prompt).
    """
    return pl.concat([_turns(examples, column) for column in ("messages", "chosen", "rejected")])


def _turns(examples: pl.DataFrame, column: str) -> pl.DataFrame:
    first = pl.col("turn") == 0
    before, after = (None, "chosen") if column == "messages" else ("messages", None)
    beside = [pl.lit(None).alias("before") if before is None else pl.col(before).list.last().alias("before")]
    beside += [pl.lit(None).alias("after") if after is None else pl.col(after).list.first().alias("after")]
    return (
        examples.lazy()
        .filter(pl.col(column).list.len() > 0)
        .select("index", "kind", *beside, message=pl.col(column), turns=pl.col(column).list.len())
        .with_columns(turn=pl.int_ranges("turns"))
        .explode("message", "turn")
        .with_columns(pl.lit(column).alias("column"), last=pl.col("turn") == pl.col("turns") - 1)
        .unnest("message")
        .with_columns(pl.col("role").fill_null(""), calls=_calls(pl.col("tool_calls")), blank=blank(pl.col("content")))
        .with_columns(
            previous=pl.when(first).then(_field("before", "role", before)).otherwise(pl.col("role").shift(1)),
            previous_text=pl.when(~first).then(pl.col("content").shift(1)),
            previous_calls=pl.when(first)
            .then(_calls(_field("before", "tool_calls", before)))
            .otherwise(pl.col("calls").shift(1)),
            next_role=pl.when("last").then(_field("after", "role", after)).otherwise(pl.col("role").shift(-1)),
            next_calls=pl.when("last")
            .then(_calls(_field("after", "tool_calls", after)))
            .otherwise(pl.col("calls").shift(-1)),
        )
        .drop("turns", "before", "after")
        .collect()
    )


def _field(message: str, name: str, known: str | None) -> pl.Expr:
    """A field of the message beside a list, where there may be one."""
    return pl.lit(None, dtype=pl.String) if known is None else pl.col(message).struct.field(name)


def _calls(tool_calls: pl.Expr) -> pl.Expr:
    return ~tool_calls.fill_null("").str.strip_chars().is_in(["", "[]", "{}", "null"])


def turn_problems(turns: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Everything that is wrong with the order or the emptiness of turns.

    Yields:
        frames of `index`, `code`, `field`, `message`, `evidence`, and `severity` where it is lowered.
    """
    role, previous = pl.col("role"), pl.col("previous")
    prompt = pl.col("column") == "messages"
    heard = prompt & (pl.col("kind") != "preference")  # a conversation that holds its own answer
    spoken = sum((role == name).cast(pl.UInt8) * bit for name, bit in _BITS.items())
    unknown_bit = (~role.is_in(ROLES)).cast(pl.UInt8) * _UNKNOWN
    rows = turns.with_columns(spoken=(spoken + unknown_bit).bitwise_or().over("index", "column"))

    def has(bit: int) -> pl.Expr:
        return (pl.col("spoken") & bit) > 0

    def at(
        problem: Problem, where: pl.Expr, message: str, *, text: bool = False, of: pl.DataFrame = rows
    ) -> pl.DataFrame:
        part = ".content" if text else ".role"
        pair = pl.when(previous.is_in(ROLES)).then(pl.format("{} → {}", previous, role))
        return of.filter(where).select(
            "index",
            code=pl.lit(problem),
            field=pl.format("{}[{}]" + part, "column", "turn"),
            message=pl.format(message, pl.col("turn") + 1),
            evidence=pl.lit(None, pl.String) if text else pair,
        )

    closing = pl.col("last") & (role == "assistant") & (heard | ~prompt)
    silent = pl.col("blank") & ~pl.col("calls")
    # A tool that returns nothing is data; a silent closing turn is an empty answer (structure_answers).
    yield at(
        Problem.EMPTY_TURN,
        silent & ~closing & ~role.is_in(["system", "tool"]),
        "turn {} says nothing and calls no tool",
        text=True,
    )
    empty_system = at(Problem.EMPTY_SYSTEM_TURN, silent & (role == "system"), "turn {} is an empty system message")
    yield empty_system.with_columns(severity=pl.lit("info"), evidence=pl.lit(None, pl.String))
    unknown = at(
        Problem.UNKNOWN_ROLE, ~role.is_in(ROLES), "the role of turn {} is none of system, user, assistant, tool"
    )
    yield unknown.with_columns(evidence=_names(rows.filter(~role.is_in(ROLES))["role"]))

    before_user = (pl.col("turn") == 0) | ((pl.col("turn") == 1) & (previous == "system"))
    yield at(
        Problem.STARTS_WITH_ASSISTANT,
        prompt & (role == "assistant") & before_user & has(_BITS["user"]),
        "turn {} is the assistant's, before the user has spoken",
    )
    yield at(
        Problem.REPEATED_USER_TURN, (role == "user") & (previous == "user"), "turn {} is the user's, after the user's"
    )
    # Around tools the assistant may speak twice: a sentence, then a call; or several calls in turns of their own.
    yield at(
        Problem.REPEATED_ASSISTANT_TURN,
        (pl.col("column") != "rejected")
        & (role == "assistant")
        & (previous == "assistant")
        & ~pl.col("calls")
        & ~pl.col("previous_calls"),
        "turn {} is the assistant's, after the assistant's, with no tool call between",
    )
    yield at(
        Problem.TOOL_RESULT_UNANSWERED,
        (role == "user") & (previous == "tool"),
        "turn {} is the user's, and nobody has answered the tool result before it",
    )
    # Nearly every system message is the first turn, so the few others are looked at by themselves.
    elders = (
        rows.filter(role == "system").select("index", "column", first="turn").unique(["index", "column"], keep="first")
    )
    later = rows.filter((role == "system") & ((pl.col("turn") > 0) | ~prompt)).join(elders, on=["index", "column"])
    further = pl.col("turn") > pl.col("first")
    yield at(Problem.SEVERAL_SYSTEM_TURNS, further, "turn {} is a further system message", of=later)
    yield at(Problem.SYSTEM_NOT_FIRST, ~further, "turn {} is the system message, which has to come first", of=later)
    final = pl.col("last") & ~has(_UNKNOWN)
    yield at(
        Problem.LAST_TURN_NOT_ASSISTANT,
        heard & final & (role != "assistant") & has(_BITS["assistant"]),
        "turn {} is the last one, and not the assistant's",
    )
    yield at(
        Problem.NO_ASSISTANT_TURN,
        heard & final & ~has(_BITS["assistant"]),
        "the conversation ends after turn {} without a word of the assistant",
    )
    yield at(
        Problem.NO_USER_TURN,
        heard & final & ~has(_BITS["user"]) & ~has(_BITS["system"]),
        "the conversation ends after turn {}, and nobody asked anything",
    )
    yield at(
        Problem.ANSWER_NOT_ASSISTANT,
        ~prompt & final & (role != "assistant"),
        "turn {} ends the answer, and is not the assistant's",
    )

    # The last call of a conversation may be what the model is to learn; a call in the middle needs its result.
    goes_on = ~pl.col("last") | (prompt & (pl.col("kind") == "preference"))
    called_again = (pl.col("next_role") == "assistant") & pl.col("next_calls")
    yield at(
        Problem.TOOL_CALL_WITHOUT_RESULT,
        (role == "assistant")
        & pl.col("calls")
        & goes_on
        & ~(pl.col("next_role") == "tool").fill_null(False)
        & ~called_again,
        "turn {} calls a tool, and the next turn is not its result",
    ).with_columns(pl.col("field").str.replace(r"role$", "tool_calls"), evidence=pl.lit(None, pl.String))
    # Some datasets write the call out in the assistant's text; there any bracket is taken for one.
    written_out = pl.col("previous_text").fill_null("").str.contains(_CALL_IN_TEXT)
    called = (previous == "assistant") & (pl.col("previous_calls") | written_out)
    yield at(
        Problem.TOOL_RESULT_WITHOUT_CALL,
        (role == "tool")
        & previous.ne_missing("tool")
        & (previous.is_null() | previous.is_in(ROLES))
        & ~called.fill_null(False),
        "turn {} is a tool's, and the turn before it calls none",
    )


def _names(roles: pl.Series) -> pl.Series:
    """Unknown roles as evidence: one plain word is a misspelling worth seeing; of anything else, such as a person's
    name, the outline only."""
    shown = [role if _PLAIN_WORD.fullmatch(role) else mask_value(role[:_BRIEF]) for role in roles]
    return pl.Series("evidence", shown, dtype=pl.String)
