"""What can be wrong with the quality of an answer or a text: the codes of the `quality` check."""

from __future__ import annotations

from enum import StrEnum

import polars as pl


class Problem(StrEnum):
    """A stable code; `meaning` says in one sentence what it stands for."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Problem:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    TOO_SHORT = "too_short", "The answer has fewer characters than the rule's `min_chars`."
    TOO_LONG = "too_long", "The answer has more characters than the rule's `max_chars`."
    OVER_CONTEXT = "over_context", "The row has more tokens than the context: a trainer cuts it off or drops it."
    NO_WORDS = "no_words", "The answer has neither a letter, a digit nor a symbol: punctuation only."
    UNFINISHED = "unfinished", "The answer breaks off: at a comma, an opening bracket, or a word that needs another."
    NO_FINAL_PUNCTUATION = "no_final_punctuation", "The last sentence of a prose answer has no full stop or its like."
    ERROR_RESIDUE = "error_residue", "The answer is an error message of the program that was to produce it."
    DISCLAIMER = "disclaimer", "The answer starts with what models say of themselves by rote (As an AI language model)."
    REFUSAL = "refusal", "The answer starts with a refusal in the words that models refuse with."
    PLACEHOLDER = "placeholder", "A template's placeholder, or filler text, was left in."
    BLANK_TO_FILL = "blank_to_fill", "A blank such as [Your Name] is left to the reader; often a letter wants it so."
    MARKUP_RESIDUE = "markup_residue", "Tags, entities, styles or scripts of a web page stand in prose."
    REPEATED_LINES = "repeated_lines", "Lines or paragraphs come again and again (Gopher's rules)."
    LOOP = "loop", "The same words come again and again, as from a model that is stuck."
    REPEATED_WORDS = "repeated_words", "The same runs of words come again and again (Gopher's rules)."
    GIBBERISH = "gibberish", "The text is no language: mashed keys, words without vowels, an encoded blob."
    PROMPT_ECHOED = "prompt_echoed", "The answer begins with the whole question, which did not ask for that."


def report(rows: pl.DataFrame, problem: Problem, message: str | pl.Expr, **columns: pl.Expr) -> pl.DataFrame:
    """One problem for each of some rows of `gate.checks.taught.taught`, with the head of the answer to show."""
    shown = pl.col("text") if "shown" not in columns else columns.pop("shown")
    said = pl.lit(message) if isinstance(message, str) else message
    return rows.select("index", "field", code=pl.lit(problem.value), message=said, shown=shown, **columns)
