"""`gate fix`: arguments in, exit code out."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  gate fix data/ --out data-fixed/
  gate fix data/ --dry-run
  gate fix train.jsonl --in-place --select exact_duplicates,near_duplicates
  gate fix data/ --out clean/ --ignore pii --log fix-log.jsonl

\b
Exit codes, of the fixed data: 0 it passes, 1 what is left for a person still fails it,
2 usage or policy error (nothing was written), 3 inconclusive, 4 an error while judging or writing.
"""


def _names(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


@click.command("fix", epilog=EPILOG)
@click.argument("paths", nargs=-1)
@click.option("--out", metavar="DIR", help="Write the fixed data here; a folder that does not exist yet.")
@click.option("--in-place", is_flag=True, help="Replace the files themselves, where git has them as they are.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option("--policy", "-p", metavar="FILE|NAME", help="Judge by this policy instead of the one for each kind.")
@click.option("--select", "-s", multiple=True, callback=_names, metavar="RULE", help="Act on these rules only.")
@click.option("--ignore", "-i", multiple=True, callback=_names, metavar="RULE", help="Leave these rules out.")
@click.option("--log", metavar="FILE", help="Where the log of changes goes; gate-fix.jsonl in DIR where not given.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; the data and the exit code remain.")
def command(
    paths: tuple[str, ...],
    out: str | None,
    in_place: bool,
    dry_run: bool,
    policy: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    log: str | None,
    quiet: bool,
) -> int:
    """Write a dataset anew without what can be mended safely, and say what was done to each row.

    Rows that are duplicates or cannot be read are dropped, personal data and secrets give way to placeholders such as
    <EMAIL_ADDRESS>, and broken encodings are mended. Everything else is left for a person. Files keep their format,
    and rows that nothing is wrong with stay as they are.
    """
    from rich.console import Console

    from gate.reporting.fix_terminal import render_fix
    from gate.reporting.terminal import Progress
    from gate.verbs.fix import fix

    console = Console(stderr=True, quiet=quiet, highlight=False)
    with Progress(console) as progress:
        result = fix(
            paths,
            out=out,
            in_place=in_place,
            dry_run=dry_run,
            policy=policy,
            select=select,
            ignore=ignore,
            log=log,
            on_stage=progress.update,
        )
    render_fix(result, console)
    return result.exit_code
