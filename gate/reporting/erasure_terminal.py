"""What `gate erase` would do or did, for somebody at a terminal or as JSON, and what is left for them to do."""

from __future__ import annotations

from collections import Counter

import orjson
from rich.console import Console
from rich.text import Text

from gate.reporting.terminal import one_line
from gate.snapshots.erasure import Done
from gate.snapshots.erasure_plan import STANDS_FOR, Plan

SCHEMA = 1
_ROWS = 10  # rows of source files that are listed


def still_to_do(planned: Plan, leftovers: int) -> list[str]:
    """What no store can do: copies elsewhere."""
    files = Counter(f"{origin.name}: {origin.file}" for origin in planned.origins)
    rows = [f"{origin.file}:{origin.row}" for origin in planned.origins[:_ROWS]]
    more = f" and {len(planned.origins) - _ROWS:,} more" if len(planned.origins) > _ROWS else ""
    todo = []
    if rows:
        todo.append(
            f"take the rows out of the data, which is not admitted with them any more: {', '.join(rows)}{more} "
            f"({len(files):,} file{'s' if len(files) != 1 else ''})"
        )
    todo += [f"admit {name} anew, and let it be approved" for name in planned.names]
    todo.append("erase in every other store that has them: where this one was pushed, pulled or unbundled to")
    todo.append(
        "delete bundles, exports (`gate snapshots export`), fixed copies (`gate fix`) and reports made from them"
    )
    todo.append("look for them in the history of git and in backups, which keep what was there")
    if planned.snapshots:
        runs = ", ".join(planned.runs[:_ROWS]) + (
            f" and {len(planned.runs) - _ROWS:,} more" if planned.runs[_ROWS:] else ""
        )
        todo.append(
            f"models learned from these snapshots, and the folders of their runs hold copies of rows: {runs}; "
            "train anew, and delete the folders"
            if runs
            else "no training run is recorded in this store; look for models that were trained elsewhere"
        )
    if leftovers:
        todo.append(f"remove {leftovers:,} leftovers of writers that were killed: gate store gc --delete --now")
    return todo


def erasure_json(planned: Plan, done: tuple[Done, ...], caches: tuple[str, ...], leftovers: int) -> bytes:
    """The document that programs read; its form changes only with `schema`."""
    document = {
        "schema": SCHEMA,
        "dry_run": not done,
        "examples": list(planned.examples),
        "objects": [
            {"digest": cut.digest, "kind": cut.kind, "holds": cut.holds, "rows": cut.rows} for cut in planned.cuts
        ],
        "left_by_an_earlier_erasure": [digest for digest, _ in planned.left],
        "snapshots": list(planned.snapshots),
        "names": list(planned.names),
        "rows_of_the_data": [
            {"dataset": origin.name, "file": origin.file, "row": origin.row} for origin in planned.origins
        ],
        "caches": list(caches),
        "statements": [each.statement.digest for each in done if each.statement is not None],
        "removed": sum(each.removed for each in done),
        "still_to_do": still_to_do(planned, leftovers),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def render_erasure(
    planned: Plan, done: tuple[Done, ...], caches: tuple[str, ...], leftovers: int, console: Console
) -> None:
    """Print it."""
    for example in planned.examples:
        console.print(Text(f"example {example}"), soft_wrap=True)
    if planned.empty:
        console.print(Text("nothing of it is left in this store"))
    holds = Counter(cut.holds for cut in planned.cuts)
    rows = Counter[str]()
    for cut in planned.cuts:
        rows[cut.holds] += cut.rows
    for what, count in holds.items():
        told = "removed as a whole" if what in STANDS_FOR else f"written anew, {rows[what]:,} rows without content"
        console.print(Text(f"  {count:>5,} × {what:<9} {told}"))
    if planned.left:
        console.print(Text(f"  {len(planned.left):>5,} × object    left by an earlier erasure, removed now"))
    for snapshot in planned.snapshots:
        console.print(Text(f"  snapshot {snapshot[:12]} cannot be used any more"))
    for cache in caches:
        console.print(Text(f"  cache {one_line(cache)} is cleared"), soft_wrap=True)
    if not done:
        console.print(Text.assemble(("dry run", "bold"), ": nothing was changed; --yes does it, and cannot be undone"))
    else:
        for each in done:
            if each.statement is not None:
                console.print(Text(f"erased; the tombstone is {each.statement.digest}"), soft_wrap=True)
    console.print(Text("what is left to do:" if done else "what would be left to do:", style="bold"))
    for line in still_to_do(planned, leftovers):
        console.print(Text(f"  - {one_line(line, 500)}"), soft_wrap=True)
