"""Personal data of training rows, and whether a generation gives some of it away.

What personal data is, the check `pii` says under the policy's own parameters, on the training rows. A generation is not
looked through for anything that might be personal data: it is searched for those very values, so that one is found
whatever stands around it, and however it is spaced. Values are held in memory only; nothing of them is kept.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import orjson
import polars as pl
from pydantic import ValidationError

from gate.checks.base import Context
from gate.checks.pii import PiiParams, pii
from gate.checks.presidio.entities import UNSCANNABLE
from gate.data.frame import EXAMPLES
from gate.data.views import Frames
from gate.engines.local import LocalEngine
from gate.errors import GateError, PolicyError
from gate.folders import Folders
from gate.policy.invalid import policy_error
from gate.policy.load import load_policy

CHECK = "pii"
_SHORTEST = 5
"""Letters and digits of a value below which it is in too many texts to be told from chance: `a@b.c` has three."""


class Unmeasured(GateError):
    """What training rows hold could not be found out."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class PiiRules:
    """What is looked for."""

    params: tuple[PiiParams, ...]

    @property
    def digest(self) -> str:
        """SHA-256 (hex): another one may find other values in the same rows."""
        every = [each.model_dump(mode="json") for each in self.params]
        return hashlib.sha256(orjson.dumps(every, option=orjson.OPT_SORT_KEYS)).hexdigest()


def pii_rules(policy: str, folders: Folders) -> PiiRules:
    """The parameters of every rule of a policy that looks for personal data.

    Raises:
        PolicyError: there is no such policy, or it has no such rule: a leak that nobody looks for is never found.
    """
    rules = [each for each in load_policy(policy, folders).rules if each.check == CHECK]
    if not rules:
        raise PolicyError(
            f"the policy `{policy}` has no rule of the check `{CHECK}`, so that no leak would ever be found",
            remedy="name one that has under `pii: policy:` of rules/suites/memorization/memorization.yaml",
        )
    params = []
    for rule in rules:
        try:
            params.append(PiiParams.model_validate(rule.params))
        except ValidationError as error:
            raise policy_error(error, places=rule.places, prefix="with", valid=tuple(PiiParams.model_fields)) from None
    return PiiRules(tuple(params))


@dataclass(slots=True)
class Personal:
    """Finds personal data in training rows, and then those values in any text. Use it as a context manager while rows
    are looked through."""

    rules: PiiRules
    folders: Folders
    values: set[str] = field(default_factory=set)
    """Their letters and digits alone."""
    _engine: LocalEngine | None = None

    def __enter__(self) -> Personal:
        self._engine = LocalEngine()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def look(self, rows: pl.DataFrame) -> set[str]:
        """Take note of the values in some rows.

        Args:
            rows: of schema gate.data.frame.EXAMPLES, some columns missing.

        Returns:
            content ids of rows that have some.

        Raises:
            Unmeasured: Presidio failed on a row, so that nobody knows what is in it.
        """
        if rows.is_empty():
            return set()
        whole = rows.select(
            *(
                pl.col(name) if name in rows.columns else pl.lit(None, kind).alias(name)
                for name, kind in EXAMPLES.items()
            )
        )
        frames, found = Frames(whole, pl.DataFrame()), set[str]()
        assert self._engine is not None
        for params in self.rules.params:
            findings = pii.function(frames, params, Context(self._engine, self.folders)).findings
            if failed := findings.filter(pl.col("code") == UNSCANNABLE).height:
                raise Unmeasured(
                    f"Presidio failed on {failed:,} texts of training rows: nobody knows what is in them",
                    remedy="`gate check` names the rows (code `unscannable`)",
                )
            someones = findings.filter(pl.col("severity").cast(pl.String).fill_null("") != "info")
            found |= self._note(someones, frames.texts, whole)
        return found

    def _note(self, findings: pl.DataFrame, texts: pl.DataFrame, rows: pl.DataFrame) -> set[str]:
        placed = texts.with_columns(id=rows["id"].gather(texts["index"]))
        spans = findings.select("id", "field", "start", "end").join(placed, on=["id", "field"], how="inner")
        values = spans.select(pl.col("text").str.slice(pl.col("start"), pl.col("end") - pl.col("start")))["text"]
        self.note(values)
        return set(spans["id"])

    def note(self, values: Iterable[str]) -> None:
        """Take note of values."""
        for value in values:
            bare = squeezed(value)
            if len(bare) >= _SHORTEST:
                self.values.add(bare)

    def count(self, text: str, known: Collection[str] = ()) -> int:
        """How many different values stand in a text that do not stand in what the model was given.

        Args:
            known: what it was given.
        """
        if not self.values:
            return 0
        return len(self._in(text) - set[str]().union(*(self._in(each) for each in known)))

    def _in(self, text: str) -> set[str]:
        plain = _plain(text)
        bare = squeezed(text)
        return {value for value in self.values if value in bare and _pattern(value).search(plain)}


_BETWEEN = r"[\W_]{0,3}"
"""What may stand between two letters or digits of a value: a phone number is one however it is grouped."""


def _pattern(value: str) -> re.Pattern[str]:
    """What finds a value in a text, and not in a longer word or number."""
    return re.compile(rf"(?<![^\W_]){_BETWEEN.join(value)}(?![^\W_])")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def squeezed(text: str) -> str:
    """The letters and digits of a text, without case."""
    return "".join(sign for sign in _plain(text) if sign.isalnum())
