"""`gate waive`: arguments in, exit code out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gate.cli.provenance_options import key_options, store_option, trust_options
from gate.cli.signing import agreed, yes_option

if TYPE_CHECKING:
    from gate.provenance.trust import Trust

EPILOG = """\b
Examples:
  gate waive language data/ --until 2027-01-31 --why 'two customers write Catalan'
  gate waive pii data/ --findings 5a3f09c1,77e0b2d4 --until 2027-01-31 --why 'our own hotline'
  gate waive promotion/forgetting support-desk-lora-2 --until 2027-01-31 --why 'no German needed'
  gate waive near_duplicates data/ --max 40 --until 2027-03-31 --why 'templates, being rewritten'

\b
Exit codes: 0 signed, 1 refused (by the trust file that was named it would not
count), 2 no such rule or finding, too many of them, no key.
"""


def _ids(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each.strip() for value in values for each in value.split(",") if each.strip())


@click.command("waive", epilog=EPILOG)
@click.argument("rule")
@click.argument("paths", nargs=-1)
@click.option("--until", required=True, metavar="DATE", help="The last day (UTC) on which it holds, within a year.")
@click.option("--why", required=True, metavar="TEXT", help="For whoever asks; kept in the statement.")
@click.option(
    "--findings",
    multiple=True,
    callback=_ids,
    metavar="IDS",
    help="Only these: eight or more digits of each id, with commas between. May repeat.",
)
@click.option("--max", "most", type=click.IntRange(min=1), metavar="N", help="Refuse where there are more.")
@click.option("--policy", "-p", metavar="FILE|NAME", help="Judge by this policy instead of the one for each kind.")
@store_option
@trust_options
@key_options
@yes_option
def command(
    rule: str,
    paths: tuple[str, ...],
    until: str,
    why: str,
    findings: tuple[str, ...],
    most: int | None,
    policy: str | None,
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    key: str | None,
    yes: bool,
) -> int:
    """Waive the findings of a rule that are there now, until a date: a signed exception, with a reason.

    RULE is run on PATHS (as `gate check` takes them), and the waiver names what it finds. It never covers a finding
    that comes later. `promotion/SUITE` and a model waive what the last decision on it found on that suite, where its
    policy allows it. Prints the digest of the statement.
    """
    from contextlib import ExitStack

    from rich.console import Console

    from gate.reporting.signing import waiver_lines
    from gate.reporting.terminal import Progress
    from gate.verbs.surroundings import named_trust, open_signer
    from gate.verbs.waive import Waiving, waive

    believed = named_trust(trust, trust_revision)
    if rule.startswith("promotion/"):
        return _of_model(rule, paths, until, why, findings, most, policy, store, believed, key, yes)
    signer = open_signer(key)
    with ExitStack() as shown:
        progress = shown.enter_context(Progress(Console(stderr=True)))

        def confirm(each: Waiving) -> bool:
            shown.close()  # so that the question is not painted over
            return agreed("waiver", each.signer, waiver_lines(each.rule, each.findings, each.until), yes)

        statement = waive(
            rule,
            paths,
            until=until,
            why=why,
            signer=signer,
            findings=findings,
            most=most,
            policy=policy,
            store=store,
            trust=believed,
            confirm=confirm,
            on_stage=progress.update,
        )
    click.echo(statement.digest)
    return 0


def _of_model(
    rule: str,
    paths: tuple[str, ...],
    until: str,
    why: str,
    findings: tuple[str, ...],
    most: int | None,
    policy: str | None,
    store: Path | None,
    trust: Trust | None,
    key: str | None,
    yes: bool,
) -> int:
    from gate.errors import UsageError
    from gate.reporting.signing import outcome_lines
    from gate.verbs.surroundings import open_signer
    from gate.verbs.waive_outcomes import waive_outcomes

    if len(paths) != 1:
        raise UsageError(f"{rule} goes with one model", remedy=f"gate waive {rule} RUN --until DATE --why TEXT")
    if policy is not None or most is not None:
        flag = "--policy" if policy is not None else "--max"
        raise UsageError(f"{flag} goes with findings of data, and {rule} is about a model", remedy="leave it away")
    statement = waive_outcomes(
        rule, paths[0], until=until, why=why, signer=open_signer(key), findings=findings, store=store, trust=trust,
        confirm=lambda each: agreed(
            "waiver",
            each.signer,
            outcome_lines(each.rule, each.name, [(one.digest, one.why) for one in each.outcomes], each.until),
            yes,
        ),
    )  # fmt: skip
    click.echo(statement.digest)
    return 0
