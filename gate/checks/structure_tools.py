"""Tool calls: whether they can be parsed, and whether the example offers the tool that is called.

Reads the layouts in use: OpenAI's `{"function": {"name", "arguments"}}`, the flat `{"name", "arguments"}`, and
`{"name", "input"}`; arguments as an object or as a string of JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import orjson
import polars as pl

from gate.checks.structure_problems import Problem
from gate.checks.structure_turns import excerpt

_BRIEF = 60  # characters of a tool's name that are shown

Found = tuple[int, str, str, str, str | None]
"""Index of the example, code, field, message, evidence."""

_SCHEMA = pl.Schema(
    {"index": pl.UInt32, "code": pl.String, "field": pl.String, "message": pl.String, "evidence": pl.String}
)


def tool_problems(turns: pl.DataFrame, tools: pl.DataFrame) -> pl.DataFrame:
    """What is wrong with the tool calls of the turns, and with the tools on offer.

    A Python loop, over the turns that call a tool and the examples that offer some only: no column expression
    parses JSON of any shape (3 µs per call).

    Args:
        turns: as `structure_turns.turns` gives them.
        tools: `index` and `tools` (JSON) of the examples.

    Returns:
        `index`, `code`, `field`, `message`, `evidence`.
    """
    found: list[Found] = []
    offers: dict[int, frozenset[str] | None] = {}
    for index, text in tools.filter(pl.col("tools").str.strip_chars() != "").iter_rows():
        offered = _offered(text)
        if isinstance(offered, str):
            found.append((index, Problem.TOOLS_NOT_JSON, "tools", f"the tools on offer are not JSON ({offered})", None))
        else:
            offers[index] = offered
    called = turns.filter("calls").select("index", "column", "turn", "tool_calls", "tool_call_id")
    for index, column, turn, text, _ in called.iter_rows():
        field = f"{column}[{turn}].tool_calls"
        found += [(index, code, field, message, shown) for code, message, shown in _faults(text, offers.get(index))]
    return pl.DataFrame(found, schema=_SCHEMA, orient="row")


def id_problems(turns: pl.DataFrame) -> pl.DataFrame:
    """Calls and results that name each other by id, where one side is missing.

    Judged only where every call of the example has an id and every result names one: elsewhere results belong
    to calls by their order. Calls in the last turn have no result yet.
    """
    found: list[Found] = []
    involved = turns.filter(pl.col("calls") | (pl.col("role") == "tool"))
    named = involved.filter(pl.col("tool_call_id").is_not_null() & (pl.col("tool_call_id") != ""))["index"].unique()
    rows = involved.filter(pl.col("index").is_in(named.implode()), pl.col("column") == "messages")
    # Grouped in Python, over examples with ids only: the ids of calls lie inside their JSON.
    for _, group in rows.group_by("index", maintain_order=True):
        found += _unmatched(group)
    return pl.DataFrame(found, schema=_SCHEMA, orient="row")


def _unmatched(group: pl.DataFrame) -> Iterator[Found]:
    calls: dict[str, tuple[int, bool]] = {}
    results: dict[str, int] = {}
    index = int(group["index"][0])
    for turn, last, is_call, text, result in group.select(
        "turn", "last", "calls", "tool_calls", "tool_call_id"
    ).iter_rows():
        if not is_call:
            if not result:
                return
            results.setdefault(result, turn)
            continue
        for call in _parsed(text):
            identity = call.get("id") if isinstance(call, dict) else None
            if not isinstance(identity, str) or not identity:
                return
            calls[identity] = (turn, last)
    if not calls:
        return
    for identity, (turn, last) in calls.items():
        if identity not in results and not last:
            message = f"turn {turn + 1} makes a call whose id no result names"
            yield index, Problem.TOOL_CALL_WITHOUT_RESULT, f"messages[{turn}].tool_calls", message, None
    for identity, turn in results.items():
        if identity not in calls:
            message = f"turn {turn + 1} names a call id that no call has"
            yield index, Problem.TOOL_RESULT_WITHOUT_CALL, f"messages[{turn}].role", message, None


def _parsed(text: str) -> list[object]:
    try:
        calls = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    return calls if isinstance(calls, list) else [calls]


def _faults(text: str, offered: frozenset[str] | None) -> Iterator[tuple[Problem, str, str | None]]:
    """What is wrong with the calls of one turn; `offered` is None where that cannot be known."""
    try:
        calls = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        yield Problem.TOOL_CALL_NOT_JSON, f"the call is not JSON ({_where(error)})", None
        return
    for number, call in enumerate(calls if isinstance(calls, list) else [calls], start=1):
        body = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(body, dict):
            yield Problem.TOOL_CALL_WITHOUT_NAME, f"call {number} is not an object with a name", None
            continue
        name = body.get("name")
        if not isinstance(name, str) or not name.strip():
            yield Problem.TOOL_CALL_WITHOUT_NAME, f"call {number} does not say which tool it calls", None
        elif offered is not None and name not in offered:
            shown = excerpt(name, _BRIEF)
            yield Problem.UNKNOWN_TOOL, f"call {number} names none of the {len(offered)} tools on offer", shown
        arguments = body.get("arguments", body.get("input"))
        if isinstance(arguments, str):
            try:
                orjson.loads(arguments)
            except orjson.JSONDecodeError as error:
                yield Problem.TOOL_CALL_NOT_JSON, f"the arguments of call {number} are not JSON ({_where(error)})", None


def _where(error: orjson.JSONDecodeError) -> str:
    """Where parsing stopped; never what stood there."""
    return f"at character {error.pos + 1} of {len(error.doc)}"


@lru_cache(maxsize=4096)  # datasets repeat a few sets of tools over many examples
def _offered(text: str) -> frozenset[str] | str | None:
    """The names of the tools on offer; None where one has no name that we can read; a string says where the JSON
    ends being JSON."""
    try:
        tools = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _where(error)
    if tools is None or not isinstance(tools, list | dict):
        return None
    names = [_tool_name(tool) for tool in (tools if isinstance(tools, list) else [tools])]
    return frozenset(name for name in names if name is not None) if None not in names else None


def _tool_name(tool: object) -> str | None:
    if isinstance(tool, str):  # a list of strings of JSON, or of bare names
        try:
            tool = orjson.loads(tool)
        except orjson.JSONDecodeError:
            return tool if isinstance(tool, str) and tool.isidentifier() else None
    if not isinstance(tool, dict):
        return None
    body = tool.get("function", tool)
    name = body.get("name") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None
