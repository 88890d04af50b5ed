"""Examples as JSON Lines: the record as it was read, or the messages that a trainer takes.

Texts are written exactly as they were admitted: nothing is masked. The columns of `chat` are those of TRL's dataset
formats: `messages` for a chat, `prompt`, `chosen` and `rejected` for a preference, `prompt`, `completion` and `label`
for feedback, `text` for plain text, with `tools` beside any of them where the snapshot has some. What is null is left
out: templates ask whether a message has tool calls, and a null is one to some of them.
"""

from __future__ import annotations

import re

import orjson
import polars as pl

from gate.data.frame import Kind
from gate.store.objects import Damaged

OPTIONAL = ("content", "name", "tool_calls", "tool_call_id")
"""Fields of a message that may be null; every message has a role."""
MESSAGE_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "chat": ("messages",),
    "preference": ("prompt", "chosen", "rejected"),
    "feedback": ("prompt", "completion"),
    "text": (),
}
"""The columns of each kind that hold messages."""

_LINE_END = re.compile(r"[ \t]*[\r\n][ \t\r\n]*")
"""In JSON a line end stands between tokens only: within a text it is written as an escape."""


def original_lines(examples: pl.DataFrame) -> pl.Series:
    """The verbatim records, a JSON object on a line each: of a JSON Lines file the very bytes of its lines, of a JSON
    document the same tokens on one line, of a table an object of its columns.

    Raises:
        Damaged: an example has no verbatim record.
    """
    source = examples["source"]
    if source.null_count():
        raise Damaged("an example of the snapshot has no verbatim record", remedy="export it with --as chat")
    if source.str.contains("[\r\n]").any():
        source = source.str.replace_all(_LINE_END.pattern, " ")
    return source


def chat_lines(examples: pl.DataFrame, kind: Kind) -> pl.Series:
    """The examples of one kind as a trainer takes them, a JSON object on a line each."""
    parts = trainable(examples, kind)
    columns = MESSAGE_COLUMNS[kind]
    tools = json_texts(parts["tools"])
    without_tools = tools.null_count() == tools.len()
    prompted = kind != "preference" or bool((parts["prompt"].list.len() > 0).all())
    if prompted and without_tools and all(_are_plain(parts[name]) for name in columns):
        own = [_pairs(name) if name in columns else pl.col(name) for name in parts.columns[1:-1]]
        return parts.select(pl.struct(own).struct.json_encode().alias("line")).to_series()
    values = {name: _message_lists(parts[name]) for name in columns}
    if not prompted:  # a trainer finds the prompt itself where none is given, and takes an empty one for a broken row
        values["prompt"] = parts.select(pl.when(pl.col("prompt").list.len() > 0).then(values["prompt"])).to_series()
    if kind == "text":
        values["text"] = _encoded(parts, pl.col("text"))
    if kind == "feedback":
        values["label"] = _encoded(parts, pl.col("label"))
    fields = [pl.concat_str(pl.lit(f'"{name}":'), pl.lit(value)) for name, value in values.items()]
    if not without_tools:
        fields.append(pl.concat_str(pl.lit('"tools":'), pl.lit(tools)))
    line = pl.concat_str(pl.lit("{"), pl.concat_str(fields, separator=",", ignore_nulls=True), pl.lit("}"))
    return parts.select(line.alias("line")).to_series()


def trainable(examples: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Examples of one kind with the columns that a trainer takes, beside `id` and `tools`.

    The completion of feedback is its last message.
    """
    messages = pl.col("messages")
    columns = {
        "chat": [messages],
        "preference": [messages.alias("prompt"), pl.col("chosen"), pl.col("rejected")],
        "feedback": [
            messages.list.head(pl.max_horizontal(messages.list.len().cast(pl.Int64) - 1, 0)).alias("prompt"),
            messages.list.tail(1).alias("completion"),
            pl.col("label"),
        ],
        "text": [pl.col("text")],
    }[kind]
    return examples.select("id", *columns, "tools")


def json_texts(values: pl.Series) -> pl.Series:
    """JSON on one line each, null where there is none. What is no JSON (a rule that would have found it may have been
    waived) becomes a JSON text of it; one tool or call stands in a list of one."""
    if values.null_count() == values.len():
        return values
    known: dict[str, str] = {}
    # A loop over different values: a parser says what is JSON, and most rows share their tools (≈ 2 µs each).
    for value in values.unique().drop_nulls().to_list():
        known[value] = _json(value)
    return values.replace_strict(known, return_dtype=pl.String, default=None)


def _json(value: str) -> str:
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return orjson.dumps(value).decode()
    line = _LINE_END.sub(" ", value)
    return f"[{line}]" if isinstance(parsed, dict) else line


def _encoded(frame: pl.DataFrame, value: pl.Expr) -> pl.Series:
    """Each value as JSON."""
    wrapped = pl.struct(value.alias("v")).struct.json_encode()
    return frame.select(wrapped.str.strip_prefix('{"v":').str.strip_suffix("}")).to_series()


def _are_plain(lists: pl.Series) -> bool:
    """Whether all messages have a role and a content and nothing else, as nearly all have."""
    if not lists.list.len().sum():
        return True
    fields = pl.DataFrame({"message": lists.drop_nulls().list.explode(empty_as_null=False)}).unnest("message")
    return not fields["content"].null_count() and all(
        fields[name].null_count() == fields.height for name in OPTIONAL[1:]
    )


def _pairs(column: str) -> pl.Expr:
    pair = pl.struct(pl.element().struct.field("role"), pl.element().struct.field("content"))
    return pl.col(column).list.eval(pair)


def _message_lists(lists: pl.Series) -> pl.Series:
    """Each list of messages as JSON."""
    frame = lists.to_frame("messages")
    return _encoded(frame, _pairs("messages")) if _are_plain(lists) else _any(frame)


def _any(frame: pl.DataFrame) -> pl.Series:
    """Messages of any fields: grouped by which of them are there, encoded, and put in their order again."""
    messages = (
        frame.with_row_index("row")
        .filter(pl.col("messages").list.len() > 0)
        .explode("messages")
        .unnest("messages")
        .with_row_index("place")
    )
    messages = messages.with_columns(json_texts(messages["tool_calls"]).alias("tool_calls"))
    encoded = []
    for there, some in messages.group_by([pl.col(name).is_not_null().alias(f"has_{name}") for name in OPTIONAL]):
        present = [name for name, has in zip(OPTIONAL, there, strict=True) if has]
        text = pl.struct("role", *(name for name in present if name != "tool_calls")).struct.json_encode()
        if "tool_calls" in present:  # they are JSON already
            text = pl.concat_str(text.str.strip_suffix("}"), pl.lit(',"tool_calls":'), "tool_calls", pl.lit("}"))
        encoded.append(some.select("place", "row", text.alias("message")))
    if not encoded:
        return frame.select(pl.lit("[]")).to_series().new_from_index(0, frame.height)
    joined = pl.concat(encoded).sort("place").group_by("row").agg(pl.col("message").str.join(","))
    every = frame.with_row_index("row").select("row").join(joined, on="row", how="left", maintain_order="left")
    return every.select(pl.concat_str(pl.lit("["), pl.col("message").fill_null(""), pl.lit("]"))).to_series()
