"""`gate diff`: arguments in, exit code out."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  gate diff data-old/ data/
  gate diff data/ data-fixed/ --output html=diff.html
  gate diff HEAD~1:data data
  gate diff old.jsonl new.parquet --output json | jq .rows

\b
Exit codes, as `diff` has them: 0 the same, 1 different, 2 a path or an argument has to be mended first,
4 an error while comparing.
"""


@click.command("diff", epilog=EPILOG)
@click.argument("a")
@click.argument("b")
@click.option(
    "--output",
    "-o",
    multiple=True,
    metavar="FORMAT[=PATH]",
    help="Also write json, markdown or html; to standard output where no PATH is given. May repeat.",
)
@click.option(
    "--show", type=click.IntRange(min=0), default=20, show_default=True, help="Rows of each kind of change to show."
)
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; outputs and the exit code remain.")
def command(a: str, b: str, output: tuple[str, ...], show: int, quiet: bool) -> int:
    """Compare two datasets: rows added, removed, changed or moved between splits, and every figure that changed.

    A and B are a file, a folder or a glob each, or REVISION:PATH as git had it; in any format: the same row in
    another format is the same row.
    """
    from rich.console import Console

    from gate.reporting.diff_outputs import parse_output, write
    from gate.reporting.diff_terminal import render_diff
    from gate.reporting.terminal import Progress
    from gate.verbs.diff import diff

    outputs = [parse_output(spec) for spec in output]
    console = Console(stderr=True, quiet=quiet, highlight=False)
    with Progress(console) as progress:
        result = diff(a, b, show=show, on_stage=progress.update)
    render_diff(result, console)
    for name, path in outputs:
        write(result, name, path)
        if path is not None:
            console.print(f"wrote {path}", markup=False, soft_wrap=True)
    return result.exit_code
