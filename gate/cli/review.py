"""`gate review`: arguments in, exit code out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gate.cli.provenance_options import key_options, store_option, trust_options
from gate.errors import UsageError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from gate.provenance.keys import PrivateKey
    from gate.provenance.trust import Trust
    from gate.verbs.review import Sample
    from gate.verbs.suggest import Suggestions

EPILOG = """\b
Examples:
  gate review data/ --sample 100
  gate review data/ --stratify category --seed 7
  gate review support-desk --trust trust.yaml
  gate review data/ --export sheet.csv
  gate review data/ --import sheet.csv --key 'Ana Ruiz'
  gate review data/ --suggest --out .
  gate review --outputs support-desk-lora-1 --trust trust.yaml

\b
Keys: g good, b bad (asks why), s skip, m more, u undo, q quit. What was
answered is kept at once; the same command goes on where it was left.

\b
Exit codes: 0 done or quit, 2 usage error, 130 interrupted (answers are kept).
"""


@click.command("review", epilog=EPILOG)
@click.argument("what", nargs=-1, metavar="[PATHS|SNAPSHOT|CANDIDATE]")
@click.option(
    "--sample", "-n", "size", type=click.IntRange(min=1), help="Examples to draw; else 100, and of outputs 40."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**53 - 1),
    default=0,
    show_default=True,
    help="Draw other examples with another number.",
)
@click.option(
    "--stratify", metavar="COLUMN", help="Draw by the values of this column of the data, not by split, kind and file."
)
@click.option(
    "--export",
    "export",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="Write the sample as a sheet for a spreadsheet instead.",
)
@click.option(
    "--import",
    "import_",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="Take the verdicts of such a sheet, and sign them.",
)
@click.option("--outputs", is_flag=True, help="Read what a scored CANDIDATE says, for its promotion's report.")
@click.option("--suggest", "suggested", is_flag=True, help="Draft rules that would have caught the bad ones.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write these drafts below DIR/rules/ instead of printing them.",
)
@store_option
@trust_options
@key_options
def command(
    what: tuple[str, ...],
    size: int | None,
    seed: int,
    stratify: str | None,
    export: Path | None,
    import_: Path | None,
    outputs: bool,
    suggested: bool,
    out: Path | None,
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    key: str | None,
) -> int:
    """Look at a random sample of the examples, one at a time: good, bad (and why) or skip.

    PATHS are data as for `gate check`; a SNAPSHOT is named by its name or id. The sample follows from the examples and
    the seed. At the end the verdicts are signed as a statement, which the rule `spot_check` counts.

    With --outputs it is the outputs of a CANDIDATE that `gate eval` scored, of every task, of what changed against the
    base and what did not; what is said of them stands in the next `gate promote` report.
    """
    from rich.console import Console

    from gate.reporting.terminal import Progress
    from gate.verbs.review import find_rows, sample
    from gate.verbs.review_outputs import sample_outputs
    from gate.verbs.suggest import suggest
    from gate.verbs.surroundings import named_trust

    if sum((export is not None, import_ is not None, suggested)) > 1:
        raise UsageError("--export, --import and --suggest are one thing each", remedy="name one of them")
    if outputs and (suggested or stratify is not None or len(what) != 1):
        raise UsageError(
            "--outputs takes one candidate, and neither --suggest nor --stratify",
            remedy="gate review --outputs CANDIDATE",
        )
    if out is not None and not suggested:
        raise UsageError("--out says where drafts go", remedy="ask for them with --suggest")
    if export is None and import_ is None and not suggested and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "there is no terminal to ask at",
            remedy="write a sheet with --export FILE.csv, fill in its verdicts, and take it with --import FILE.csv",
        )
    whom = named_trust(trust, trust_revision)
    console = Console(stderr=True, highlight=False)
    with Progress(console) as progress:
        if outputs:
            drawn = sample_outputs(
                what[0], size=size, seed=seed, store=store, trust=trust, trust_revision=trust_revision,
                on_stage=progress.update,
            )  # fmt: skip
        else:
            rows = find_rows(what, store=store, trust=trust, trust_revision=trust_revision, on_stage=progress.update)
            drawn = sample(rows, what, size=size or 100, seed=seed, stratify=stratify)
        if suggested:
            found = suggest(rows, drawn, store=store, trust=whom, on_stage=progress.update)
    if suggested:
        return _suggest(found, out, console)
    signing = _Signing(store, whom, key)
    if export is not None:
        return _export(drawn, export, console)
    if import_ is not None:
        return _import(drawn, import_, console, signing)
    return _ask(drawn, console, signing)


@dataclass(frozen=True, slots=True)
class _Signing:
    """What verdicts are signed with, and where they go."""

    store: Path | None
    trust: Trust | None
    key: str | None

    def signer(self) -> PrivateKey:
        from gate.verbs.surroundings import open_signer

        return open_signer(self.key)

    def sign(self, sample: Sample, verdicts: pl.DataFrame, signer: PrivateKey, console: Console) -> None:
        from gate.verbs.review import sign

        statement = sign(sample, verdicts, signer, store=self.store, trust=self.trust)
        console.print(f"signed as {statement.author}; the statement is", markup=False, soft_wrap=True)
        click.echo(statement.digest)


def _ask(sample: Sample, console: Console, signing: _Signing) -> int:
    from gate.cli.review_screen import Terminal, ask, review

    answers = sample.answers()
    terminal = Terminal()
    try:
        with terminal.pressed(), console.screen(hide_cursor=False):
            review(sample, answers, console, terminal)
        _told(sample, console)
        # Who names a key signs what that key has not signed; else what no key has.
        signer = None if signing.key is None else signing.signer()
        count = answers.pending(None if signer is None else signer.keyid).height
        with terminal.pressed():
            wanted = count > 0 and ask(console, f"Sign {_counted(count)} as a statement now?", terminal.key)
    except KeyboardInterrupt:
        console.print(f"\n{_counted(len(answers))} kept; the same command goes on.", markup=False)
        return 130
    if wanted:
        signer = signer or signing.signer()
        signing.sign(sample, answers.pending(signer.keyid), signer, console)
    elif count:
        console.print("They are kept; the same command goes on, and asks again.", markup=False)
    return 0


def _export(sample: Sample, path: Path, console: Console) -> int:
    from gate.verbs.review_sheet import write_sheet

    write_sheet(path, sample, sample.answers())
    console.print(
        f"wrote {path}: fill in `verdict` (good, bad or skip) and `reason`, then run the same command with --import",
        markup=False,
        soft_wrap=True,
    )
    return 0


def _import(sample: Sample, path: Path, console: Console, signing: _Signing) -> int:
    from gate.verbs.review_sheet import read_sheet

    sheet = read_sheet(path, sample)
    if sheet.left:
        console.print(f"rows without a verdict, left alone: {sheet.left}", markup=False)
    if sheet.unkept:
        what = "reasons beside a verdict other than bad, which are not kept"
        console.print(f"{what}: {sheet.unkept}", markup=False, soft_wrap=True)
    # Kept first: who has no key at hand has them in the terminal, and nobody is asked again.
    sample.answers().take(sheet.said)
    _told(sample, console)
    signing.sign(sample, sheet.verdicts, signing.signer(), console)
    return 0


def _suggest(found: Suggestions, out: Path | None, console: Console) -> int:
    from gate.reporting.suggestions_terminal import render
    from gate.verbs.suggest import write_drafts

    render(found, console)
    if out is not None:
        write_drafts(found.files, out)
        for name in found.files:
            console.print(f"wrote {out / name}", markup=False, soft_wrap=True)
        return 0
    for name, text in found.files.items():
        click.echo(f"# {name}\n{text}")
    return 0


def _told(sample: Sample, console: Console) -> None:
    answers = sample.answers()
    counts = answers.counts()
    console.print(
        f"{len(answers)} of {len(sample.ids)} answered: {counts['good']} good, {counts['bad']} bad, "
        f"{counts['skip']} skipped",
        markup=False,
    )


def _counted(verdicts: int) -> str:
    return "1 verdict" if verdicts == 1 else f"{verdicts} verdicts"
