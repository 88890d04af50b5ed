"""Makes a fine-tuning corpus of any size in which it is known what is wrong.

`python bench/corpus.py --rows N --out DIR` writes `DIR/data/*.jsonl` (or `.parquet`) in several shapes, and
`DIR/truth.parquet` beside it: one line per planted copy, near copy, templated row and piece of personal data.
Word frequencies follow Zipf's law, lengths are log-normal around 95 words; the same arguments give the same rows.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import polars as pl

if __name__ == "__main__":  # run as a script, its own folder is on the path; from elsewhere, the repository is
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.corpus_values import VALUES

SHINGLE = 5
HEAD = [
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not",
    "he", "his", "but", "at", "are", "this", "have", "from", "or", "had", "an", "they", "which", "one", "you",
    "were", "all", "her", "she", "there", "would", "their", "we", "him", "been", "has", "when", "who", "will", "no",
    "more", "if", "out", "so", "up", "said", "what",
]  # fmt: skip
"""The most frequent words of English, so that the head of the distribution looks like text."""
EDITS_UP_TO = 6
"""A near copy differs by 1 to 6 words: most stay above Jaccard 0.8 at 95 words, some fall below it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a corpus shall hold. Shares are of all rows."""

    rows: int
    seed: int = 0
    files: int = 4
    """Files of chat; preference and text have one each."""
    format: str = "jsonl"
    duplicates: float = 0.05
    near: float = 0.05
    templates: float = 0.02
    template_size: int = 200
    """Rows out of one template: a hot bucket of the index."""
    pii: float = 0.01
    words: int = 30_000
    """Size of the vocabulary."""


@dataclass(slots=True)
class Rows:
    """Rows as word numbers, before they become text."""

    kind: np.ndarray
    """0 chat, 1 preference, 2 text."""
    exchanges: np.ndarray
    tokens: list[np.ndarray]
    origin: np.ndarray
    """The row that a row was made from, or -1."""
    how: list[str]
    """`unique`, `exact`, `near`, `template`."""
    edits: np.ndarray
    value: list[tuple[str, str] | None] = field(default_factory=list)
    """Entity and text of what was planted."""


def main() -> None:
    """Read the arguments, write the corpus, say how many rows of what it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--format", choices=["jsonl", "parquet"], default="jsonl")
    for name in ("duplicates", "near", "templates", "pii"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Plan(rows=0), name))
    parser.add_argument("--template-size", type=int, default=Plan(rows=0).template_size)
    arguments = vars(parser.parse_args())
    out = arguments.pop("out")
    truth = generate(Plan(**arguments), out)
    print(truth["how"].value_counts(sort=True))


def generate(plan: Plan, out: Path) -> pl.DataFrame:
    """Write the corpus and its truth; returns the truth.

    Returns:
        file, row (1-based), how (`exact`, `near`, `template`, `pii`), origin_file, origin_row, edits (words),
        jaccard (on word 5-grams, with the origin; of a template with its first row), entity, text (planted value).
    """
    draw = np.random.default_rng(plan.seed)
    rows = _draw(plan, draw)
    order = draw.permutation(len(rows.tokens))
    files = _files(plan, rows, draw)
    out.joinpath("data").mkdir(parents=True, exist_ok=True)
    words = _vocabulary(plan.words)
    place: dict[int, tuple[str, int]] = {}
    for number, name in enumerate(_names(plan)):
        members = [int(row) for row in order if files[row] == number]
        shape = name.split(".")[0].split("-")[0]
        if members:
            _write(out / "data" / name, shape, members, rows, words, plan)
        place.update({row: (name, at) for at, row in enumerate(members, start=1)})
    truth = _truth(rows, place, words)
    truth.write_parquet(out / "truth.parquet")
    return truth


def _draw(plan: Plan, draw: np.random.Generator) -> Rows:
    """All rows: unique ones, then copies, near copies and templated ones made from them."""
    exact, near = int(plan.rows * plan.duplicates), int(plan.rows * plan.near)
    templated = int(plan.rows * plan.templates) // plan.template_size * plan.template_size
    unique = plan.rows - exact - near - templated
    kind = draw.choice(3, size=unique, p=[0.8, 0.12, 0.08]).astype(np.int8)
    exchanges = np.where(kind == 0, draw.choice([1, 2, 3], size=unique, p=[0.6, 0.25, 0.15]), 1).astype(np.int8)
    lengths = np.clip(draw.lognormal(np.log(95), 0.3, unique), 20, 400).astype(int)
    tokens = _texts(lengths, plan.words, draw)

    sources = draw.integers(0, unique, exact + near)
    edits = np.zeros(plan.rows, dtype=np.int16)
    how = ["unique"] * unique
    for at, source in enumerate(sources):  # edits differ from copy to copy in kind, place and number
        base = tokens[source]
        if at < exact:
            tokens.append(base)
            how.append("exact")
        else:
            count = int(draw.integers(1, EDITS_UP_TO + 1))
            edits[len(tokens)] = count
            tokens.append(_edited(base, count, plan.words, draw))
            how.append("near")
    origin = np.full(plan.rows, -1, dtype=np.int64)
    origin[unique : unique + exact + near] = sources
    kind, exchanges = np.concatenate([kind, kind[sources]]), np.concatenate([exchanges, exchanges[sources]])
    for at in range(templated):
        if at % plan.template_size == 0:
            template, first = _texts(np.array([110]), plan.words, draw)[0], len(tokens)
        row = template.copy()
        row[[30, 80]] = draw.integers(len(HEAD), plan.words, 2)
        origin[len(tokens)] = first
        tokens.append(row)
        how.append("template")
    kind = np.concatenate([kind, np.zeros(templated, np.int8)])
    exchanges = np.concatenate([exchanges, np.ones(templated, np.int8)])
    rows = Rows(kind, exchanges, tokens, origin, how, edits)

    # Personal data only where no copy was made, so that similarities stay as planned.
    alone = np.setdiff1d(np.arange(unique), sources)
    carriers = draw.choice(alone, size=min(len(alone), int(plan.rows * plan.pii)), replace=False)
    rows.value = [None] * plan.rows
    makers = list(VALUES.items())
    for row in carriers:
        entity, make = makers[int(draw.integers(len(makers)))]
        rows.value[row] = (entity, make(draw))
    return rows


def _texts(lengths: np.ndarray, vocabulary: int, draw: np.random.Generator) -> list[np.ndarray]:
    """Word numbers, Zipf-distributed (exponent 1.05)."""
    weight = 1.0 / np.arange(1, vocabulary + 1) ** 1.05
    cumulated = np.cumsum(weight / weight.sum())
    flat = np.searchsorted(cumulated, draw.random(int(lengths.sum())))
    return np.split(np.minimum(flat, vocabulary - 1), np.cumsum(lengths)[:-1])


def _edited(base: np.ndarray, count: int, vocabulary: int, draw: np.random.Generator) -> np.ndarray:
    """The text after `count` words were exchanged, put in or left out, anywhere."""
    row = base
    for edit in draw.integers(0, 3, count):
        at = int(draw.integers(0, len(row)))
        word = int(draw.integers(len(HEAD), vocabulary))
        if edit == 0:
            row = np.concatenate([row[:at], [word], row[at + 1 :]])
        elif edit == 1:
            row = np.insert(row, at, word)
        else:
            row = np.delete(row, at)
    return row


def _vocabulary(size: int) -> np.ndarray:
    """Pronounceable words, the most frequent ones English; every 90th is a number."""
    syllables = [first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u", "an", "el", "or")]
    words, base = list(HEAD), len(syllables)
    for number in range(size - len(HEAD)):
        if number % 90 == 7:
            words.append(str(number % 97 + 2))
        else:
            rest, tail = divmod(number, base)
            middle, head = rest % base, rest // base
            words.append(syllables[tail] + syllables[middle] + (syllables[head] if head else "") + "n")
    return np.array(words, dtype=object)


def _names(plan: Plan) -> list[str]:
    half = max(1, plan.files // 2)
    chat = [f"messages-{at:02d}" for at in range(half)] + [f"instruction-{at:02d}" for at in range(plan.files - half)]
    return [f"{name}.{plan.format}" for name in [*chat, "preference", "text"]]


def _files(plan: Plan, rows: Rows, draw: np.random.Generator) -> np.ndarray:
    """The file of every row: only single exchanges go into instruction files."""
    half = max(1, plan.files // 2)
    anywhere, messages = draw.integers(0, max(plan.files, 1), plan.rows), draw.integers(0, half, plan.rows)
    chat = np.where(rows.exchanges == 1, anywhere, messages)
    return np.where(rows.kind == 0, chat, plan.files - 1 + rows.kind)


def _write(path: Path, shape: str, members: list[int], rows: Rows, words: np.ndarray, plan: Plan) -> None:
    """One file. A loop over rows: each is put together from a different number of parts."""
    records = [_record(shape, row, rows, words) for row in members]
    if plan.format == "parquet":
        pl.DataFrame(records).write_parquet(path)
    else:
        path.write_bytes(b"\n".join(map(orjson.dumps, records)) + b"\n")


def _record(shape: str, row: int, rows: Rows, words: np.ndarray) -> dict[str, object]:
    chosen = words[rows.tokens[row]].tolist()
    exchanges = int(rows.exchanges[row])
    parts = 2 * exchanges if rows.kind[row] == 0 else 3 - 2 * int(rows.kind[row] == 2)
    # Cut by the length of the origin's text at equal shares, so that copies have their turns in the same places.
    cuts = [len(chosen) * at // parts for at in range(parts + 1)]
    said = [_sentences(chosen[start:end]) for start, end in pairwise(cuts)]
    if rows.how[row] == "exact" and row % 2:
        said = [part.upper() if row % 4 == 1 else part.replace(". ", ".  ") for part in said]
    planted = rows.value[row]
    if planted is not None:
        said[-1] = f"{said[-1]} {planted[1]}."
    if shape == "messages":
        turns = [{"role": "assistant" if at % 2 else "user", "content": part} for at, part in enumerate(said)]
        return {"messages": turns}
    if shape == "instruction":
        return {"instruction": said[0], "input": "", "output": said[1]}
    if shape == "preference":
        return {"prompt": said[0], "chosen": said[1], "rejected": said[2]}
    return {"text": said[0]}


def _sentences(words: list[str]) -> str:
    """Words as sentences of at most twelve words, each closed by a full stop."""
    parts = [" ".join(words[at : at + 12]) for at in range(0, len(words), 12)]
    return ". ".join(part[:1].upper() + part[1:] for part in parts) + "."


def _truth(rows: Rows, place: dict[int, tuple[str, int]], words: np.ndarray) -> pl.DataFrame:
    lines: list[dict[str, object]] = []
    for row, how in enumerate(rows.how):  # planted rows only
        file, at = place[row]
        source = int(rows.origin[row])
        if source >= 0:
            origin_file, origin_row = place[source]
            lines.append(
                {
                    "file": file,
                    "row": at,
                    "how": how,
                    "origin_file": origin_file,
                    "origin_row": origin_row,
                    "edits": int(rows.edits[row]),
                    "jaccard": _jaccard(_marked(row, rows, words), _marked(source, rows, words)),
                }
            )
        planted = rows.value[row]
        if planted is not None:
            lines.append({"file": file, "row": at, "how": "pii", "entity": planted[0], "text": planted[1]})
    schema = {
        "file": pl.String,
        "row": pl.UInt32,
        "how": pl.String,
        "origin_file": pl.String,
        "origin_row": pl.UInt32,
        "edits": pl.UInt16,
        "jaccard": pl.Float64,
        "entity": pl.String,
        "text": pl.String,
    }
    return pl.DataFrame(lines, schema=schema)


def _marked(row: int, rows: Rows, words: np.ndarray) -> list[str]:
    """The row's words. One in an answer of a preference is another word than in its prompt: swapped answers are
    other content."""
    chosen: list[str] = words[rows.tokens[row]].tolist()
    if rows.kind[row] != 1:
        return chosen
    return [f"{_section(at, len(chosen))}{word}" for at, word in enumerate(chosen)]


def _section(at: int, length: int) -> int:
    return sum(at >= length * cut // 3 for cut in (1, 2))


def _jaccard(one: list[str], other: list[str]) -> float:
    """On word 5-grams of the two texts."""
    first, second = (
        {tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)} for words in (one, other)
    )
    return len(first & second) / len(first | second)


if __name__ == "__main__":
    main()
