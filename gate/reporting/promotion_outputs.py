"""Where a promotion goes as a file: `--output FORMAT[=PATH]`, as in `gate check`, each written whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gate.folders import Folders
from gate.promotion.decided import Decided
from gate.reporting.outputs import Format, Output, OutputError, parse_output, replace_file
from gate.reporting.outputs import prepare as prepare
from gate.reporting.promotion_told import Told

FORMATS: dict[str, Format] = {
    "json": Format("gate.reporting.promotion_json:promotion_bytes", "-", (".json",)),
    "html": Format(
        "gate.reporting.promotion_page:to_promotion_html", "gate-promotion.html", (".html", ".htm"), templated=True
    ),
    "markdown": Format(
        "gate.reporting.promotion_markdown:to_promotion_markdown", "gate-promotion.md", (".md", ".markdown")
    ),
    "junit": Format("gate.reporting.promotion_ci:promotion_junit", "gate-promotion-junit.xml", (".xml",)),
    "github": Format(
        "gate.reporting.promotion_ci:promotion_github", "-", (),
        afterwards="gate.reporting.promotion_ci:publish_promotion",
    ),
}  # fmt: skip


def promotion_output(spec: str) -> Output:
    """Read `FORMAT`, `FORMAT=PATH` or a bare `PATH` whose ending names the format; `FORMAT=-` is standard output.

    Raises:
        UsageError: no such format, or no path behind `=`.
    """
    return parse_output(spec, FORMATS)


def write_output(decided: Decided, told: Told, output: Output, folders: Folders | None = None) -> Path | None:
    """Render and write one output.

    Returns:
        the file that was written, or None for standard output.

    Raises:
        OutputError: it cannot be written; the decision was made by then.
    """
    kind = FORMATS[output.format]
    content = kind.render(decided, told, *([folders] if kind.templated else []))
    try:
        if output.path is None:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            replace_file(content, output.path)
        kind.after(decided, told)
    except BrokenPipeError:
        raise  # whoever read standard output went away
    except OSError as error:
        raise OutputError(
            f"the {output.format} report could not be written: {error.strerror or error}",
            where=None if output.path is None else os.fspath(output.path),
            remedy=f"name a file in a folder that can be written to: --output {output.format}=PATH",
        ) from error
    return output.path
