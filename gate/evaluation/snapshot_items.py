"""The items of tasks of the test split: what stands before an answer, the answer, and what kind of answer it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import polars as pl

from gate.data.frame import Split
from gate.evaluation.conversations import MESSAGES, TOOLS
from gate.evaluation.scorers_json import is_structure
from gate.evaluation.snapshot_rules import SnapshotTaskRules
from gate.snapshots.open import Snapshot
from gate.training.messages import template_messages
from gate.training.rows import Message, Row
from gate.training.template import TemplateError

Document = dict[str, Any]  # an item: any JSON object
Form = Literal["generate", "json", "calls", "preference", "good", "bad", "text"]

LeftOut = Mapping[tuple[str, str], int]
"""Rows that gave no item, by kind and reason."""

COLUMNS = ("id", "kind", "messages", "chosen", "rejected", "label", "text", "tools", "meta")


@dataclass(frozen=True, slots=True)
class Made:
    """An item of an example."""

    form: Form
    document: Document
    """`example` (content id) and what the task's templates name."""

    @property
    def asked(self) -> str:
        """What it is asked by: equal ones stand before the same answer."""
        return f"{self.document.get(MESSAGES)}\0{self.document.get(TOOLS)}"


def made_of(snapshot: Snapshot, split: Split, only: Iterable[str] | None = None) -> tuple[list[Made], LeftOut]:
    """The items of a split, sorted by content id, each content once; and how many rows gave none, by kind and reason.

    Args:
        only: content ids; all, where it is not said.

    Raises:
        Damaged: an object of the snapshot is not what it was.
    """
    wanted = None if only is None else set(only)
    found: dict[str, Made] = {}
    left_out: dict[tuple[str, str], int] = {}
    seen: set[str] = set()
    for part in snapshot.examples(split, COLUMNS):
        rows = part if wanted is None else part.filter(pl.col("id").is_in(list(wanted)))
        for row in rows.iter_rows(named=True):  # one object an item is what lm-eval reads
            if row["id"] in seen:
                continue
            seen.add(row["id"])
            try:
                found[row["id"]] = _made(row)
            except _Unfit as reason:
                key = (row["kind"], str(reason))
                left_out[key] = left_out.get(key, 0) + 1
    return [found[key] for key in sorted(found)], left_out


class _Unfit(Exception):
    """Why an example gives no item."""


def _made(row: Mapping[str, Any]) -> Made:
    meta = {"example": row["id"], "meta": row["meta"]}
    if row["kind"] == "text":
        if not (row["text"] or "").strip():
            raise _Unfit("empty text")
        return Made("text", meta | {"text": row["text"]})
    if row["kind"] == "preference":
        return _preference(row, meta)
    before, answer = _parted(row["messages"])
    meta |= _prompt(before, row)
    if row["kind"] == "feedback":
        return Made("good" if row["label"] else "bad", meta | {"target": _text(answer)})
    if calls := answer.get("tool_calls"):
        return Made("calls", meta | {"target": calls})
    text = _text(answer)
    return Made("json" if is_structure(text) else "generate", meta | {"target": text})


def _parted(messages: Sequence[Message]) -> tuple[Sequence[Message], Message]:
    """What stands before the last answer of the assistant, and that."""
    for at in range(len(messages) - 1, 0, -1):
        if messages[at]["role"] == "assistant":
            return messages[:at], messages[at]
    raise _Unfit("no answer of the assistant after a question")


def _text(answer: Message) -> str:
    text = (answer.get("content") or "").strip()
    if not text:
        raise _Unfit("empty answer")
    return text


def _prompt(before: Sequence[Message], row: Mapping[str, Any]) -> Document:
    try:
        messages = template_messages(before, Row(id=row["id"], use=0, kind="data", repeat=0))
    except TemplateError:
        raise _Unfit("tool calls that are no JSON list") from None
    tools = row["tools"]
    return {MESSAGES: orjson.dumps(messages).decode()} | ({TOOLS: tools} if tools else {})


def _preference(row: Mapping[str, Any], meta: Document) -> Made:
    chosen, rejected = list(row["chosen"] or ()), list(row["rejected"] or ())
    before = list(row["messages"] or ())
    while len(chosen) > 1 and len(rejected) > 1 and chosen[0] == rejected[0]:  # the prompt, written twice
        before.append(chosen.pop(0))
        rejected.pop(0)
    if len(chosen) != 1 or len(rejected) != 1:
        raise _Unfit("answers of several turns")
    if not before:
        raise _Unfit("no prompt")
    good, bad = _text(chosen[0]), _text(rejected[0])
    if good == bad:
        raise _Unfit("two answers that are the same")
    return Made("preference", meta | _prompt(before, row) | choice(row["id"], good, bad))


def choice(key: str, good: str, bad: str) -> Document:
    """Two answers in an order that follows from a digest: a model that finds both as likely, and so always takes the
    first, is right half of the time."""
    gold = int(hashlib.sha256(key.encode()).hexdigest(), 16) % 2
    return {"choices": [bad, good] if gold else [good, bad], "gold": gold}


def told_apart(made: Sequence[Made]) -> list[Made]:
    """Of feedback: for each prompt that has good and bad answers, the first of each as a choice."""
    good: dict[str, Made] = {}
    bad: dict[str, Made] = {}
    for each in made:
        (good if each.form == "good" else bad).setdefault(each.asked, each)
    pairs = []
    for asked, one in good.items():
        other = bad.get(asked)
        if other is None or other.document["target"] == one.document["target"]:
            continue
        document = {key: value for key, value in one.document.items() if key != "target"}
        pairs.append(Made("good", document | choice(asked, one.document["target"], other.document["target"])))
    return pairs


def with_meta(made: Sequence[Made], rules: SnapshotTaskRules) -> tuple[list[Document], str | None, str | None]:
    """Items as documents, with the fields that say what belongs together and what reports group by, where the data have
    them; then the names of those fields."""
    metas = [_object(each.document.get("meta")) for each in made]
    cluster = next((key for key in rules.cluster if any(key in meta for meta in metas)), None)
    group = next((key for key in rules.slice if any(key in meta for meta in metas)), None)
    documents = []
    for each, meta in zip(made, metas, strict=True):
        document = {key: value for key, value in each.document.items() if key != "meta"}
        if cluster is not None:  # a row that names none stands alone
            document["cluster"] = _named(meta.get(cluster)) or f"example {document['example']}"
        if group is not None:
            document["slice"] = _named(meta.get(group)) or "none"
        documents.append(document)
    fields = list(dict.fromkeys(key for document in documents for key in document))
    padded = [{key: document.get(key) for key in fields} for document in documents]
    return padded, None if cluster is None else "cluster", None if group is None else "slice"


def _object(text: str | None) -> Mapping[str, object]:
    if not text:
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _named(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and str(value).strip() else None


def drawn_ids(snapshot: Snapshot, seed: int, kind: str, some: int) -> Iterator[str]:
    """Content ids of the train split, in an order drawn by the seed: the first `some` of a kind."""
    ids: set[str] = set()
    for part in snapshot.examples("train", ("id", "kind")):
        ids.update(part.filter(pl.col("kind") == kind)["id"].to_list())
    yield from sorted(ids, key=lambda each: hashlib.sha256(f"{seed}:{each}".encode()).digest())[:some]
