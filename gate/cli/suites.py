"""`gate suites`: arguments in, exit code out."""

from __future__ import annotations

import sys

import click

from gate.cli.output_option import output_option

EPILOG = """\b
Examples:
  gate suites ls
  gate suites show forgetting
  gate suites check rules/suites/regression

\b
A suite is a folder, rules/suites/NAME/, in lm-eval's own format: your repository's own comes
first, then gate's. Exit codes: 0 done, 2 a suite does not say something gate can do.
"""
CHECK_EPILOG = """\b
Examples:
  gate suites check
  gate suites check rules/suites/regression
  gate suites check rules/suites/regression --allow-code regression/score.py@SHA256
"""

code_option = click.option(
    "--allow-code",
    multiple=True,
    metavar="SUITE/FILE.py@SHA256",
    help="Let a task run this very Python; refused otherwise.",
)


@click.group("suites", epilog=EPILOG)
def command() -> None:
    """List the suites that models are scored on, show one, and check a team's own before any model is run.

    Every file of a suite is read strictly: a key with a typo, an item without its answer, a template that names no
    field is an error with file and line.
    """


@command.command("ls", epilog="\b\nExamples:\n  gate suites ls\n  gate suites ls -o json\n")
@code_option
@output_option()
def ls(allow_code: tuple[str, ...], output: str) -> int:
    """List the four suites: how many tasks and items each has, and whose it is."""
    from gate.reporting.suites_terminal import render_suites, suites_json
    from gate.verbs.suites import list_suites

    suites = list_suites(allow_code=allow_code)
    if output == "json":
        sys.stdout.buffer.write(suites_json(suites))
    else:
        from rich.console import Console

        render_suites(suites, Console(highlight=False, width=None if sys.stdout.isatty() else 160))
    return 2 if any(suite.problem for suite in suites) else 0


@command.command("show", epilog="\b\nExamples:\n  gate suites show forgetting\n  gate suites show safety -o json\n")
@click.argument("name")
@code_option
@output_option()
def show(name: str, allow_code: tuple[str, ...], output: str) -> int:
    """Show a suite's tasks: how many items, how they are asked, which metric counts, and the digest of all that."""
    from gate.reporting.suites_terminal import render_suite, suites_json
    from gate.verbs.suites import show_suite

    suite = show_suite(name, allow_code=allow_code)
    if output == "json":
        sys.stdout.buffer.write(suites_json([suite]))
    else:
        from rich.console import Console

        render_suite(suite, Console(highlight=False, width=None if sys.stdout.isatty() else 160))
    return 0


@command.command("check", epilog=CHECK_EPILOG)
@click.argument("path", metavar="[DIR]", required=False)
@code_option
@output_option()
def check(path: str | None, allow_code: tuple[str, ...], output: str) -> int:
    """Read a suite in whole, as before a model is scored: every key, every item, every template; no model is needed.

    DIR is a suite's folder, or a repository that has some; without it, all that would be run here. The first thing
    that is wrong is said with file and line (exit code 2).
    """
    from gate.reporting.suites_terminal import render_checked, suites_json
    from gate.verbs.suites import check_suites

    suites = check_suites(path, allow_code=allow_code)
    if output == "json":
        sys.stdout.buffer.write(suites_json(suites))
    else:
        from rich.console import Console

        render_checked(suites, Console(stderr=True, highlight=False))
    return 0
