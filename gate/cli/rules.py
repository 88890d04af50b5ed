"""`gate rules`: arguments in, exit code out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gate.cli.output_option import output_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from gate.verbs.rules import Explanation, ListedRule

EPILOG = """\b
Examples:
  gate rules
  gate rules --policy strict --kind chat
  gate rules --output json | jq '.rules[].id'
  gate rules explain near_duplicates
  gate rules schema policy > policy.schema.json
"""
EXPLAIN_EPILOG = """\b
Examples:
  gate rules explain pii
  gate rules explain expectations --kind text
"""
SCHEMA_EPILOG = """\b
Examples:
  gate rules schema policy > policy.schema.json
  gate rules schema settings
"""

KINDS = ("chat", "preference", "feedback", "text", "base")
"""As in `gate.data.frame`, which would load polars here; a test holds them equal."""

_POLICY = click.option("--policy", "-p", metavar="FILE|NAME", help="This policy instead of the one for each kind.")
_KIND = click.option(
    "--kind",
    "-k",
    type=click.Choice(KINDS),
    help="Only the rules for this kind of example; base is for rows whose kind is not known.",
)
_OUTPUT = output_option()


@click.group("rules", invoke_without_command=True, epilog=EPILOG)
@_POLICY
@_KIND
@_OUTPUT
@click.pass_context
def command(context: click.Context, policy: str | None, kind: str | None, output: str) -> int:
    """List the rules of the policies in force here: effective values, and where each came from.

    A policy is looked up in your repository's rules/admission/ first, then among gate's own; gate.yaml (found
    upwards from here) may choose others.
    """
    if context.invoked_subcommand is not None:
        context.obj = (policy, kind, output)
        return 0
    from gate.verbs.rules import list_rules

    rules = list_rules(policy, kind)
    if output == "json":
        _print_json({"schema": "gate.rules/1", "rules": rules})
    else:
        _table(rules, _console())
    return 0


@command.command("explain", epilog=EXPLAIN_EPILOG)
@click.argument("rule")
@_POLICY
@_KIND
@_OUTPUT
@click.pass_context
def explain(context: click.Context, rule: str, policy: str | None, kind: str | None, output: str) -> int:
    """Explain a rule: what it measures, its parameters, rows that fail and pass, and what to do.

    RULE is the id of a rule, as `gate rules` lists it.
    """
    from gate.verbs.rules import explain as explained

    group_policy, group_kind, group_output = context.obj
    explanation = explained(rule, policy or group_policy, kind or group_kind)
    if "json" in (output, group_output):
        _print_json({"schema": "gate.rule/1", "rule": explanation})
    else:
        _page(explanation, _console())
    return 0


@command.command("schema", epilog=SCHEMA_EPILOG)
@click.argument("which", type=click.Choice(["policy", "settings", "snapshot"]))
def schema(which: str) -> int:
    """Print the JSON Schema of a policy file, of gate.yaml or of rules/snapshot.yaml, for editors."""
    from gate.verbs.schemas import SCHEMAS

    _print_json(SCHEMAS[which]())
    return 0


def _print_json(value: object) -> None:
    import orjson

    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    sys.stdout.write(text.decode())


def _console() -> Console:
    from rich.console import Console

    # Piped, lines are as long as they need to be: a cut path helps nobody.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def _table(rules: Sequence[ListedRule], console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("rule", "for", "key", "value", "from"):
        table.add_column(name, overflow="fold", no_wrap=name in ("rule", "key"))
    for rule in rules:
        # The id and the kinds stand in every line: lines are searched for and piped on.
        for value in rule.values:
            cells = (rule.id, _kinds(rule.kinds), value.key, _shown(value.value), value.origin or "default")
            table.add_row(*(Text(cell) for cell in cells))
    console.print(table)


def _kinds(kinds: Sequence[str]) -> str:
    return "every kind" if set(kinds) == set(KINDS) else ", ".join(kinds)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    import orjson

    return orjson.dumps(value).decode()


def _page(explained: Explanation, console: Console) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    def section(title: str) -> None:
        console.print(Text(f"\n{title}", style="bold"))

    def indented(text: str) -> None:
        console.print(Padding(Text(text), (0, 0, 0, 2)))

    console.print(Text(f"{explained.id}: {explained.severity}, {explained.remedy}", style="bold"))
    indented(explained.why)
    section("What it measures" + ("" if explained.check == explained.id else f" (check {explained.check})"))
    indented(explained.measures)
    section("What to do")
    indented(explained.what_to_do)

    for rule in explained.applied:
        section(f"Effective values for {_kinds(rule.kinds)}")
        table = Table(box=None, show_header=False, padding=(0, 2))
        for value in rule.values:
            table.add_row(*(Text(each) for each in (value.key, _shown(value.value), value.origin or "default")))
        console.print(table)
    if explained.parameters:
        section("Parameters (`with:`)")
    for parameter in explained.parameters:
        default = "required" if parameter.required else f"default {_shown(parameter.default)}"
        indented(f"{parameter.name}: {parameter.type}; {default}")
        console.print(Padding(Text(parameter.meaning, style="dim"), (0, 0, 0, 4)))
    section("What it finds")
    codes = Table(box=None, show_header=False, padding=(0, 2))
    for code, meaning in explained.codes.items():
        codes.add_row(Text(code), Text(meaning))
    console.print(codes)
    for title, records in (("Fails", explained.fails), ("Passes", explained.passes)):
        if not records:
            continue
        section(title)
        for record in records:
            indented(_shown(record))
        if more := explained.left_out[title.lower()]:
            indented(f"and {more:,} more like these")
