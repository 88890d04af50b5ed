"""Lengths: in characters where a team sets bounds, in tokens of the tokenizer that will be trained with."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gate.checks.qualities.problems import Problem, report
from gate.errors import PolicyError
from gate.folders import Folders

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BATCH = 1_000
"""Texts encoded at once: the lists of tokens of more would weigh more than the texts."""


def length_problems(rows: pl.DataFrame, shortest: int | None, longest: int | None) -> Iterator[pl.DataFrame]:
    """Answers with fewer or more characters than wanted, and answers of punctuation only."""
    chars = rows["text"].str.len_chars()
    if shortest is not None:
        message = pl.format(f"{{}} characters, fewer than {shortest}", pl.col("text").str.len_chars())
        yield report(rows.filter(chars < shortest), Problem.TOO_SHORT, message)
    if longest is not None:
        message = pl.format(f"{{}} characters, more than {longest}", pl.col("text").str.len_chars())
        yield report(rows.filter(chars > longest), Problem.TOO_LONG, message)
    silent = rows.filter(chars <= 40).filter(
        ~pl.col("text").str.contains(r"[\p{L}\p{N}\p{S}]"), pl.col("text").str.contains(r"\S")
    )
    # A question about a sign may be answered by it: then it is a sign, not three.
    silent = silent.filter(
        pl.col("text").str.count_matches(r"\S") > 1,
        ~pl.col("asked").str.contains("(?i)punctuat|symbol|operator|bracket|paren|sign|emoji|character|string|code"),
    )
    yield report(silent, Problem.NO_WORDS, "the answer is punctuation only")


def tokenizer_file(name: str, folders: Folders) -> Path:
    """The `tokenizer.json` of a folder, or of a model in the Hugging Face cache; nothing is downloaded.

    Raises:
        PolicyError: there is none.
    """
    folder = Path(name)
    candidates = [folder] if folder.is_absolute() else [root / folder for root in folders.roots]
    for each in candidates:
        for path in (each / "tokenizer.json", each):
            if path.is_file() and path.suffix == ".json":
                return path
    if not folder.is_absolute() and name.count("/") <= 1 and not name.startswith("."):
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(name, "tokenizer.json")
        if isinstance(cached, str):
            return Path(cached)
    raise PolicyError(
        f"there is no tokenizer `{name}`",
        remedy="name a folder that holds a tokenizer.json, or a model that is in the Hugging Face cache already",
    )


@lru_cache(maxsize=1)
def _tokenizer(path: Path, changed: int) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        made = Tokenizer.from_file(str(path))
    except Exception as error:  # the binding raises a bare Exception for whatever is wrong
        raise PolicyError(
            "this is not a tokenizer", where=str(path), remedy="save one with tokenizer.save_pretrained(FOLDER)"
        ) from error
    made.no_truncation()
    made.no_padding()
    return made


def tokens(texts: pl.Series, path: Path) -> pl.Series:
    """How many tokens each text has, special ones aside (u32)."""
    tokenizer = _tokenizer(path, path.stat().st_mtime_ns)
    counts: list[int] = []
    for start in range(0, texts.len(), _BATCH):
        batch = [text or "" for text in texts[start : start + _BATCH]]
        counts += [len(each) for each in tokenizer.encode_batch_fast(batch, add_special_tokens=False)]
    return pl.Series("tokens", counts, dtype=pl.UInt32)


def over_context(rows: pl.DataFrame, counts: pl.Series, context: int) -> pl.DataFrame:
    """Rows with more tokens than fit, `counts` being one per row."""
    message = pl.format(f"{{}} tokens, and the context has {context}", "tokens")
    long = rows.with_columns(tokens=counts).filter(pl.col("tokens") > context)
    return report(long, Problem.OVER_CONTEXT, message, score=pl.col("tokens") / context)
