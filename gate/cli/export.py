"""`gate export`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.provenance_options import key_options, store_option, trust_options

EPILOG = """\b
Forms, and what --quantise may say:
  adapter  the trained adapter, to be loaded beside its base
  merged   one whole model in safetensors; fp32, fp16, bf16 (else as trained)
  gguf     one file for llama.cpp; f32, f16 (if nothing is said), bf16,
           q8_0, q5_1, q5_0, q4_1, q4_0
  onnx     a graph for ONNX Runtime; int8 (else fp32)

\b
Examples:
  gate export support-desk-lora-1 --as merged --trust trust.yaml
  gate export support-desk-lora-1 --as gguf --quantise q8_0 --out release/
  gate export support-desk-lora-1 --with tone-lora-2=0.3 --as adapter
  gate export 5a3f09c1 --as onnx --output json | jq .difference

\b
Exit codes: 0 released; 1 the form is not the candidate, or the candidate or
its base is not what was trained; 2 nothing of that name, a form that cannot
be had, or something is in the way; 4 a process broke. Nothing is left behind
unless it is 0.
"""


@click.command("export", epilog=EPILOG)
@click.argument("candidate", metavar="CANDIDATE[=WEIGHT]")
@click.option(
    "--as",
    "form",
    required=True,
    type=click.Choice(["adapter", "merged", "gguf", "onnx"]),
    help="The form.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The folder to make; else NAME-FORM here.")
@click.option("--quantise", "--quantize", "quantise", metavar="HOW", help="How weights are kept; see below.")
@click.option(
    "--with", "others", multiple=True, metavar="CANDIDATE=WEIGHT", help="Add another LoRA of the same base, weighted."
)
@click.option(
    "--combine",
    type=click.Choice(["cat", "svd", "linear", "ties"]),
    default="cat",
    show_default=True,
    help="How several LoRAs become one; cat is the exact weighted sum.",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the base lies, if no longer where it was trained from.",
)
@click.option(
    "--tolerance", type=float, metavar="LOGITS", help="The largest difference of logits; else by form and --quantise."
)
@click.option("--allow-code", multiple=True, metavar="NAME@DIGEST", help="Let this base's own Python run.")
@store_option
@trust_options
@key_options
@click.option("--output", "-o", type=click.Choice(["json"]), help="Also write what came of it, for programs.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; outputs and the exit code remain.")
def command(
    candidate: str,
    form: str,
    out: Path | None,
    quantise: str | None,
    others: tuple[str, ...],
    combine: str,
    base: Path | None,
    tolerance: float | None,
    allow_code: tuple[str, ...],
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    key: str | None,
    output: str | None,
    quiet: bool,
) -> int:
    """Export a trained candidate in the form that it is released in.

    CANDIDATE is a run's name, a candidate's folder, or eight or more digits of a model's digest. Every file of it is
    held against its training statement, and the base against the digest there. The form is made in one process, loaded
    again in a fresh one, and its logits are compared with the candidate's on twenty prompts; further apart than the
    tolerance, and nothing is released. A signed statement binds the form's files to what it was made of. A candidate
    that was trained on a quantised base is merged into the base in full precision. Prints the digest of the statement.
    """
    from typing import cast

    from rich.console import Console

    from gate.reporting.progress import Progress
    from gate.reporting.release_terminal import document, render_released
    from gate.training.release import Combination, Form
    from gate.verbs.release import export
    from gate.verbs.surroundings import open_signer, open_trust

    believed = open_trust(trust, trust_revision)
    signer = open_signer(key)
    console = Console(stderr=True, quiet=quiet)
    with Progress(console) as progress:
        released = export(
            candidate,
            cast(Form, form),
            others=others,
            out=out,
            quantise=quantise,
            combine=cast(Combination, combine),
            base=base,
            tolerance=tolerance,
            allow_code=allow_code,
            store=store,
            trust=believed,
            signer=signer,
            on_stage=progress.update,
        )
    render_released(released, console)
    if output:
        sys.stdout.buffer.write(document(released))
    else:
        click.echo(released.statement.digest)
    return 0
