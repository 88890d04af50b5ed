"""How long the examples of a snapshot are, in tokens of a base: counted with its own tokenizer and chat template.

gate's own process counts, without transformers: `tokenizers` reads the base's tokenizer.json, and the template runs in
Jinja's sandbox with the names that transformers gives it. It is somebody else's code, and it may fail; what it fails
on is counted without it, and said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np
import numpy.typing as npt

from gate.data.frame import KINDS, SPLITS, Kind
from gate.errors import InputError, MissingDependency
from gate.training.weights import read_json

if TYPE_CHECKING:
    import jinja2
    import polars as pl
    import tokenizers

    from gate.snapshots.open import Snapshot

Text = str
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Message = Mapping[str, str | None]

_COLUMNS = ("kind", "messages", "chosen", "rejected", "text", "tools")
_TEMPLATES = ("chat_template.jinja", "chat_template.json", "tokenizer_config.json")
_LARGEST = 1 << 20
"""Bytes of a template; the longest of the hub have some ten thousand."""
_BATCH = 2048


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of the examples of a train split."""

    kind: Kind
    tokens: npt.NDArray[np.int64]
    """Of each example, in the snapshot's order; of a preference the longer of its two conversations."""
    total: int
    """Tokens of one pass: of a preference both conversations are read."""
    template: str | None
    """Where the chat template came from; None where there is none, or the examples are plain text."""
    refused: int
    """Examples that the template failed on, which were counted without it."""
    splits: Mapping[str, int]
    """Examples of this kind in each split."""
    others: int = 0
    """Examples of other kinds in the train split, which another objective learns from."""
    why: str | None = None
    """What the template said to the first that it failed on."""

    @property
    def examples(self) -> int:
        return len(self.tokens)

    @property
    def longest(self) -> int:
        return int(self.tokens.max())

    def percentile(self, share: float) -> int:
        """The length that so many examples do not exceed: the smallest such length of one of them."""
        return int(np.percentile(self.tokens, 100 * share, method="inverted_cdf"))

    def above(self, length: int) -> int:
        """Examples that are longer."""
        return int((self.tokens > length).sum())


def token_lengths(
    snapshot: Snapshot,
    base: Path,
    template: Text | None = None,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
    fitting: Collection[Kind] = KINDS,
) -> Lengths:
    """Count the tokens of every example of the train split that is of its most frequent kind.

    Args:
        base: a folder with tokenizer.json.
        template: the text of a chat template that was named, instead of the base's own.
        on_rows: told of examples counted, and of those in all.
        fitting: the kinds that a recipe learns from: where the snapshot has such, the most frequent of them counts.

    Raises:
        InputError: the snapshot has no train split; the base has no tokenizer.json that can be read.
        Damaged: an object of the snapshot is not what it was.
    """
    if not snapshot.counts.get("train", 0):
        raise InputError("the snapshot has no train split", where=snapshot.id[:12], remedy="admit data with one")
    tokenizer = _tokenizer(base)
    origin, writer = _writer(base, template)
    held = _held(snapshot)
    train = held["train"]
    kind = max(train, key=lambda each: (each in fitting, train[each], each))
    total, lengths = train[kind], list[int]()
    read, refused, why = 0, 0, None
    for frame in snapshot.examples("train", _COLUMNS):
        for rows in frame.filter(frame["kind"] == kind).iter_slices(_BATCH):
            texts, failed = _texts(rows, writer)
            refused += len(failed)
            why = why or next(iter(failed), None)
            flat = [text for each in texts for text in each]
            special = writer is None or kind == "text"  # a template writes them itself
            sizes = iter([len(each.ids) for each in tokenizer.encode_batch_fast(flat, add_special_tokens=special)])
            for each in texts:
                counts = [next(sizes) for _ in each]
                lengths.append(max(counts))
                read += sum(counts)
            on_rows(len(lengths), total)
    return Lengths(
        kind=kind,
        tokens=np.array(lengths, dtype=np.int64),
        total=read,
        template=origin if kind != "text" else None,
        refused=refused,
        splits={split: counts[kind] for split, counts in held.items()},
        others=sum(train.values()) - total,
        why=why,
    )


def _held(snapshot: Snapshot) -> dict[str, Counter[Kind]]:
    """How many examples of each kind each split has."""
    held: dict[str, Counter[Kind]] = {split: Counter() for split in SPLITS}
    for frame in snapshot.examples(None, ["kind", "split"]):
        for split, kind, count in frame.group_by("split", "kind").len().iter_rows():
            held[split][kind] += count
    return held


def has_template(base: Path) -> bool:
    """Whether a base brings a chat template."""
    return _own_template(base) is not None


def _tokenizer(base: Path) -> tokenizers.Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingDependency(
            "counting tokens needs tokenizers, which is not installed", remedy="pip install 'llm-gate[train]'"
        ) from None
    path = base / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            "it has no tokenizer.json",
            where=str(base),
            remedy="trainers need a fast tokenizer: AutoTokenizer.from_pretrained(BASE).save_pretrained(BASE)",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # noqa: BLE001 - the library raises plain Exception for a file that it cannot read
        raise InputError("it is no tokenizer", where=str(path), remedy="copy or download it again") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


Writer = Callable[[Sequence[Message], Json], str]


def _writer(base: Path, named: Text | None) -> tuple[str | None, Writer | None]:
    """Where the template is from, and what makes a text of a conversation; None and None where there is none."""
    found = ("--chat-template", named) if named is not None else _own_template(base)
    if found is None:
        return None, None
    origin, text = found
    template = _compiled(text)
    special = _special(base)

    def written(messages: Sequence[Message], tools: Json) -> str:
        made = [_message(each) for each in messages]
        return template.render(messages=made, tools=tools, documents=None, add_generation_prompt=False, **special)

    return origin, written


def _own_template(base: Path) -> tuple[str, str] | None:
    """The file that holds a base's template, and its text: a file of its own first, as transformers has it."""
    for name in _TEMPLATES:
        path = base / name
        if not path.is_file() or path.stat().st_size > 16 * _LARGEST:
            continue
        said = path.read_text("utf-8", "replace") if path.suffix == ".jinja" else read_json(path).get("chat_template")
        if isinstance(said, list):  # several by name
            named = {each.get("name"): each.get("template") for each in said if isinstance(each, dict)}
            said = named.get("default")
        if isinstance(said, str) and said.strip() and len(said) <= _LARGEST:
            return name, said
    return None


def _special(base: Path) -> dict[str, str]:
    """The tokens that a template may name, such as `bos_token`."""
    path = base / "tokenizer_config.json"
    if not path.is_file():
        return {}
    said = {}
    for name, value in read_json(path).items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            said[name] = text
    return said


def _compiled(text: str) -> jinja2.Template:
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}`: marks what the assistant writes; here it is only written."""

        tags = {"generation"}  # noqa: RUF012 - as the class above declares it

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    def as_json(value: object, ensure_ascii: bool = False, indent: int | None = None, **more: bool) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, sort_keys=more.get("sort_keys", False))

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = as_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    try:
        return environment.from_string(text)
    except (TemplateError, RecursionError) as error:
        raise InputError(
            f"the chat template cannot be used: {str(error)[:200]}", remedy="name another with --chat-template FILE"
        ) from None


def _message(message: Message) -> dict[str, Json]:
    """As templates take it: without empty fields, tool calls as objects with their arguments unpacked."""
    made: dict[str, Json] = {"role": message["role"], "content": message.get("content") or ""}
    made |= {key: value for key in ("name", "tool_call_id") if (value := message.get(key)) is not None}
    calls = _parsed(message.get("tool_calls"))
    if isinstance(calls, list) and calls:
        made["tool_calls"] = [_call(each) for each in calls]
    return made


def _call(call: Json) -> Json:
    if not isinstance(call, dict):
        return call
    if isinstance(inner := call.get("function"), dict):
        return call | {"function": _call(inner)}
    arguments = call.get("arguments")
    read = _parsed(arguments) if isinstance(arguments, str) else None
    return call | {"arguments": read} if isinstance(read, dict) else call


def _parsed(text: str | None) -> Json:
    try:
        read: Json = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return read


def _texts(rows: pl.DataFrame, writer: Writer | None) -> tuple[list[list[str]], list[str]]:
    """The texts of each example, and what the template said to those that it failed on."""
    from jinja2 import TemplateError

    made: list[list[str]] = []
    failed: list[str] = []
    for row in rows.iter_rows(named=True):
        conversations = list(_conversations(row))
        tools = _parsed(row["tools"])
        try:
            if row["kind"] == "text" or writer is None:
                raise _Plain
            made.append([writer(each, tools if isinstance(tools, list) and tools else None) for each in conversations])
        except _Plain:
            made.append([row["text"]] if row["kind"] == "text" else [_plain(each) for each in conversations])
        except (TemplateError, TypeError, KeyError, IndexError, ValueError, AttributeError, RecursionError) as error:
            failed.append(" ".join(str(error).split())[:200] or type(error).__name__)
            made.append([_plain(each) for each in conversations])
    return made, failed


class _Plain(Exception):
    """There is nothing that a template could write."""


def _conversations(row: Mapping[str, object]) -> Iterator[list[Message]]:
    prompt, chosen, rejected = (cast("list[Message]", row[name] or []) for name in ("messages", "chosen", "rejected"))
    if row["kind"] == "preference":
        yield [*prompt, *chosen]
        yield [*prompt, *rejected]
    else:
        yield prompt


def _plain(messages: Sequence[Message]) -> str:
    """A conversation without a template: what it says, a line for each turn, and who says it."""
    return "\n".join(f"{each['role']}: {each.get('content') or ''}" for each in messages)
