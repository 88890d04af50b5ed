"""What came of `gate export`, for people at a terminal and for programs."""

from __future__ import annotations

import os

import orjson
from rich.console import Console
from rich.text import Text

from gate.reporting.inert import one_line
from gate.training.release_released import Released

SCHEMA = "gate.export/1"


def render_released(released: Released, console: Console) -> None:
    """Print where the form lies, what it was made of, how close it is, and what is next. Readable at 80 columns."""
    release, compared = released.release, released.compared
    kept = f", {release.quantisation}" if release.quantisation else ""
    console.print()
    console.print(Text.assemble(("RELEASED", "bold green"), f"  {release.form}{kept}"), soft_wrap=True)
    lines = [
        f"folder     {one_line(os.fspath(released.folder), 300)}",
        f"files      {len(release.outputs):,}, {released.bytes:,} bytes",
        f"model      {release.model}",
        f"statement  {released.statement.digest} by {one_line(released.statement.author)}",
        *(
            f"made of    {one_line(each.name, 100)} ({each.training.method}"
            f"{f', weight {each.weight:g}' if each.weight != 1 or len(released.sources) > 1 else ''})"
            for each in released.sources
        ),
        f"logits     differ by at most {compared.difference:.2g} from the candidate's; {compared.tolerance:.2g} is "
        f"allowed, and its largest is {released.made.largest:.3g}",
        *(
            [f"           training moved them by up to {released.made.effect:.2g}"]
            if released.made.effect is not None
            else []
        ),
        *(
            [f"           by at most {compared.merge:.2g} from those on its base in full precision"]
            if compared.merge is not None
            else []
        ),
        f"           the same token is likeliest at {compared.agreement:.1%} of {compared.positions:,} positions of "
        f"{compared.prompts} prompts; KL {compared.divergence:.1e} nats",
    ]
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    for note in released.notes:
        console.print(Text(f"note: {one_line(note, 600)}", style="yellow"), soft_wrap=True)
    folder = one_line(os.fspath(released.folder), 300)
    console.print(
        Text.assemble(("next: ", "dim"), f"gate verify {folder}; what is promoted is the form that was evaluated")
    )


def document(released: Released) -> bytes:
    """`gate.export/1`: what came of it, as JSON with a final line feed."""
    release, compared = released.release, released.compared
    content = {
        "schema": SCHEMA,
        "form": release.form,
        "quantisation": release.quantisation,
        "folder": os.fspath(released.folder),
        "model": release.model,
        "statement": released.statement.digest,
        "candidates": [
            {
                "name": each.name,
                "model": each.training.model,
                "statement": each.statement.digest,
                "method": each.training.method,
                "weight": each.weight,
            }
            for each in released.sources
        ],
        "outputs": {name: {"sha256": each.sha256, "bytes": each.bytes} for name, each in release.outputs.items()},
        "difference": compared.difference,
        "tolerance": compared.tolerance,
        "largest_logit": released.made.largest,
        "full_precision_difference": released.made.full_precision,
        "training_difference": released.made.effect,
        "merge_difference": compared.merge,
        "merge_tolerance": compared.merge_tolerance,
        "agreement": compared.agreement,
        "divergence": compared.divergence,
        "prompts": compared.prompts,
        "positions": compared.positions,
        "notes": list(released.notes),
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
