"""Draws rows of a fictional company's customer support from `phrases.yaml`: seeded, readable, and far apart.

Every row that `Grammar` gives differs from all rows before it: no Jaccard similarity of 0.6 or more on word
5-grams, and no prompt twice. What is alike in the example data is therefore planted.
"""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from ruamel.yaml import YAML

Row = dict[str, object]
T = TypeVar("T")

SEED = 20_419
FAR_APART = 0.6
"""The rule's threshold is 0.8; well below it, so that its exact tokeniser does not matter."""
SHINGLE = 5

_VOWEL = re.compile(r"\b([Aa]) (?=(?:Aria|Ember|Isle|espresso|ice)\b)")
_TOKEN = re.compile(r"[぀-ヿ一-鿿]|[^\W぀-ヿ一-鿿]+")  # kana and kanji one by one


def contents(row: Row) -> Iterator[str]:
    """Every text of a row, in order."""
    for turn in row.get("messages", ()):  # type: ignore[attr-defined]
        yield str(turn.get("content") or "")
    for key in ("question", "prompt", "answer", "chosen", "rejected", "completion"):
        if key in row:
            yield str(row[key])


def shingles(row: Row) -> set[tuple[str, ...]]:
    """Word 5-grams of the row's text (characters in Japanese); the whole text when it is shorter."""
    words = _TOKEN.findall(unicodedata.normalize("NFC", " ".join(contents(row))).casefold())
    return {tuple(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1))}


def jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    """Shared 5-grams over all 5-grams."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _filled(phrase: str, slots: dict[str, str]) -> str:
    return _VOWEL.sub(r"\1n ", phrase.format(**slots))


class Grammar:
    """A seeded source of rows that are all unlike each other."""

    def __init__(self, phrases: Path, seed: int = SEED) -> None:
        self._say = YAML(typ="safe").load(phrases)
        self._random = random.Random(seed)
        self._seen: list[set[tuple[str, ...]]] = []
        self._prompts: set[str] = set()
        self._tickets = 0

    def ticket(self, *, tool: bool = False, system: bool | None = None) -> Row:
        """A conversation of two to seven turns; with `tool`, one that looks an order up."""
        row = self._unlike(lambda: self._ticket(tool, system))
        self._tickets += 1
        return {"ticket": f"T{self._tickets:04d}", "channel": self._pick(["mail", "chat", "web"]), **row}

    def faq(self, language: str = "en") -> Row:
        """A question and its answer."""

        def draw() -> Row:
            slots = self._slots()
            item = self._pick(self._say["faq" if language == "en" else f"faq_{language}"])
            return {
                "question": _filled(item["q"], slots),
                "answer": self._from(item["a"], slots),
                "language": language,
                "split": self._split(),
            }

        return self._unlike(draw)

    def preference(self) -> Row:
        """A customer's message with a good and a bad answer."""

        def draw() -> Row:
            slots, issue = self._slots(), self._pick(self._say["issues"])
            return {
                "prompt": self._opening(slots, issue),
                "chosen": self._good(slots, issue),
                "rejected": self._bad(slots),
            }

        return self._unlike(draw)

    def rating(self) -> Row:
        """A customer's message, one answer, and whether the customer liked it."""

        def draw() -> Row:
            slots, issue = self._slots(), self._pick(self._say["issues"])
            liked = self._random.random() < 0.6
            answer = self._good(slots, issue) if liked else self._bad(slots)
            return {
                "prompt": self._opening(slots, issue),
                "completion": answer,
                "label": liked,
                "split": self._split(),
            }

        return self._unlike(draw)

    def token(self, alphabet: str, length: int) -> str:
        """So many characters of an alphabet, drawn one by one."""
        return "".join(self._random.choices(alphabet, k=length))

    def spread(self, slots: int, within: int) -> list[int]:
        """Sorted positions at which to put planted rows among `within` others."""
        return sorted(self._random.randrange(1, within) for _ in range(slots))

    def shuffled(self, rows: list[T]) -> list[T]:
        """The same rows in a drawn order."""
        return self._random.sample(rows, len(rows))

    def _pick(self, choices):  # type: ignore[no-untyped-def]  # of whatever the YAML lists
        return self._random.choice(choices)

    def _split(self) -> str:
        return self._random.choices(["train", "validation", "test"], [7, 2, 2])[0]

    def _unlike(self, draw: Callable[[], Row]) -> Row:
        for _ in range(2_000):
            row = draw()
            own = shingles(row)
            prompt = " ".join(list(contents(row))[:-1]).casefold()
            if prompt not in self._prompts and all(jaccard(own, other) < FAR_APART for other in self._seen):
                self._prompts.add(prompt)
                self._seen.append(own)
                return row
        raise RuntimeError("the phrases are used up: add some to phrases.yaml")

    def _slots(self) -> dict[str, str]:
        # No order number looks like a phone number, a date or a card.
        letters = "BCDFGHJKLMNPQRSTVWXZ"
        return {
            **self._pick(self._say["products"]),
            "first": self._pick(self._say["firsts"]),
            "city": self._pick(self._say["cities"]),
            "month": self._pick(self._say["months"]),
            "weekday": self._pick(self._say["weekdays"]),
            "count": str(self._random.randrange(3, 20)),
            "digit": str(self._random.randrange(10)),
            "order": f"TW-{self._random.randrange(1000, 10_000)}{self._pick(letters)}",
        }

    def _from(self, phrases: list[str], slots: dict[str, str]) -> str:
        return _filled(self._pick(phrases), slots)

    def _opening(self, slots: dict[str, str], issue: dict[str, list[str]]) -> str:
        say = self._say
        opener = self._from(say["openers"], slots)
        parts = [self._from(say["contexts"], slots), self._from(issue["say"], slots)]
        parts += [_filled(detail, slots) for detail in self._random.sample(say["details"], self._random.randrange(3))]
        return opener + ("\n" if opener.endswith(",") else " ") + " ".join(parts)

    def _good(self, slots: dict[str, str], issue: dict[str, list[str]]) -> str:
        parts = {
            "sympathy": self._from(self._say["sympathy"], slots),
            "ask": self._from(issue["ask"], slots),
            "solve": self._from(issue["solve"], slots),
        }
        return self._from(self._say["good"], slots | parts)

    def _bad(self, slots: dict[str, str]) -> str:
        return " ".join(_filled(text, slots) for text in self._random.sample(self._say["bad"], 2))

    def _ticket(self, tool: bool, system: bool | None) -> Row:
        say, slots = self._say, self._slots()
        looked_up = [issue for issue in say["issues"] if issue["topic"] in ("late", "refund", "charge")]
        issue = self._pick(looked_up if tool else say["issues"])
        turns: list[Row] = []
        if system or (system is None and self._random.random() < 0.8):
            turns.append({"role": "system", "content": self._pick(say["systems"])})
        turns.append({"role": "user", "content": self._opening(slots, issue)})
        if tool:
            asked = {"name": "get_order", "arguments": json.dumps({"order": slots["order"]})}
            told = {"order": slots["order"], "status": self._pick(say["stations"]), "city": slots["city"]}
            turns += [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "call_1", "type": "function", "function": asked}],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": json.dumps(told, ensure_ascii=False)},
            ]
        else:
            sympathy, ask = self._from(say["sympathy"], slots), self._from(issue["ask"], slots)
            turns += [
                {"role": "assistant", "content": f"{sympathy} {ask}"},
                {"role": "user", "content": self._from(issue["reply"], slots)},
            ]
        turns.append({"role": "assistant", "content": self._from(issue["solve"], slots)})
        if self._random.random() < 0.5:
            turns += [
                {"role": "user", "content": self._from(say["thanks"], slots)},
                {"role": "assistant", "content": self._from(say["closings"], slots)},
            ]
        row: Row = {"topic": issue["topic"], "messages": turns}
        if tool:
            row["tools"] = [{"type": "function", "function": say["tools"][0]}]
        return row
