"""What somebody has answered so far: kept at once, line by line, so that nothing that was answered is lost.

A file of JSON lines in the user's state folder, readable by its owner only. An answer is about the content of an
example, whichever sample it was drawn in: a larger sample, or one of the data with a file more, asks only what is new.
What was signed stays in it, so that nobody is asked twice.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import orjson
import polars as pl

from gate.errors import UsageError
from gate.provenance.statements import now
from gate.snapshots.layout import VERDICTS

Word = Literal["good", "bad", "skip"]
WORDS: tuple[Word, ...] = ("good", "bad", "skip")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of one example."""

    verdict: Word
    reason: str | None = None
    at: str = ""
    """As statements write time."""
    signed: frozenset[str] = frozenset()
    """The keys that have signed it already."""


def state_folder() -> Path:
    """Where answers are kept: `GATE_STATE`, else the platform's folder for the state of programs."""
    if named := os.environ.get("GATE_STATE"):
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_state_dir("gate", appauthor=False))


class Answers:
    """The answers to the examples of one sample.

    Args:
        path: the file, which need not be there yet.
        ids: the examples of the sample; what is said of others is left alone.

    Raises:
        UsageError: the file cannot be read.
    """

    def __init__(self, path: Path, ids: Collection[str]) -> None:
        self.path = path
        self._ids = frozenset(ids)
        self._answers: dict[str, Answer] = {}
        """In the order in which they were given."""
        try:
            lines = path.read_bytes().splitlines() if path.exists() else []
        except OSError as error:
            raise UsageError(
                f"the answers so far cannot be read ({(error.strerror or str(error)).lower()})", where=str(path)
            ) from None
        for line in lines:
            try:
                self._take(orjson.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # a line that was being written when the process was killed

    @classmethod
    def here(cls, ids: Collection[str]) -> Answers:
        """Those of this user on this machine."""
        return cls(state_folder() / "reviews.jsonl", ids)

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, id_: str) -> Answer | None:
        """What was said of an example."""
        return self._answers.get(id_)

    def counts(self) -> dict[Word, int]:
        """How often each word was said."""
        return {word: sum(one.verdict == word for one in self._answers.values()) for word in WORDS}

    def reasons(self) -> list[str]:
        """The reasons that were given, the most frequent first, then in the order in which they came up."""
        given = [one.reason for one in self._answers.values() if one.reason is not None]
        return sorted(dict.fromkeys(given), key=lambda reason: -given.count(reason))

    def say(self, id_: str, verdict: Word, reason: str | None = None) -> None:
        """Keep an answer.

        Raises:
            UsageError: it cannot be kept; then it is not taken either.
        """
        self.take([(id_, verdict, reason)])

    def take(self, said: Iterable[tuple[str, Word, str | None]]) -> None:
        """Keep several answers at once; those that were given before with the same words stay as they are."""
        moment = now()
        new = [
            {"id": id_, "verdict": verdict, "reason": reason, "at": moment}
            for id_, verdict, reason in said
            if (had := self._answers.get(id_)) is None or (had.verdict, had.reason) != (verdict, reason)
        ]
        self._write(new)

    def undo(self) -> str | None:
        """Take the last answer back.

        Returns:
            the example it was about; None where there is none.
        """
        if not self._answers:
            return None
        last = next(reversed(self._answers))
        self._write([{"undo": last}])
        return last

    def pending(self, keyid: str | None = None) -> pl.DataFrame:
        """The answers that no statement by a key holds yet (schema gate.snapshots.layout.VERDICTS); by any key, where
        none is named."""
        rows = [
            (id_, one.verdict, one.reason, one.at)
            for id_, one in sorted(self._answers.items())
            if (keyid not in one.signed if keyid is not None else not one.signed)
        ]
        return pl.DataFrame(rows, schema=VERDICTS, orient="row")

    def signed(self, keyid: str, ids: Iterable[str]) -> None:
        """Note that a statement by a key holds the answers to these examples."""
        self._write([{"signed": keyid, "id": id_} for id_ in ids])

    def _take(self, entry: dict[str, str | None]) -> None:
        if (keyid := entry.get("signed")) is not None:
            if (one := self._answers.get(entry["id"] or "")) is not None:
                self._answers[str(entry["id"])] = replace(one, signed=one.signed | {keyid})
            return
        if (undone := entry.get("undo")) is not None:
            self._answers.pop(undone, None)
            return
        example, verdict, reason, at = entry["id"], entry["verdict"], entry["reason"], entry["at"]
        if example in self._ids and verdict in WORDS and isinstance(example, str) and isinstance(at, str):
            self._answers.pop(example, None)
            self._answers[example] = Answer(verdict, reason, at)

    def _write(self, entries: Iterable[dict[str, str | None]]) -> None:
        every = list(entries)
        if not every:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # A line that was cut off before is ended first, so that it costs nothing but itself.
                cut = self.path.stat().st_size and self.path.read_bytes()[-1:] != b"\n"
                content = b"".join(orjson.dumps(entry) + b"\n" for entry in every)
                os.write(file, (b"\n" if cut else b"") + content)
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise UsageError(
                f"the answer cannot be kept ({(error.strerror or str(error)).lower()})",
                where=str(self.path),
                remedy="make room or give permission, or name another folder in GATE_STATE",
            ) from None
        for entry in every:
            self._take(entry)
