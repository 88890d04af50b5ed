"""Which machine-readable outputs there are, and how one is written: whole, or not at all.

A new format is one module with a function from a result to text or bytes, and one line in `FORMATS`.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from gate.admission.result import AdmissionResult
from gate.errors import GateError, UsageError
from gate.folders import Folders


class OutputError(GateError):
    """A report could not be written although its place could be: a full disk, say. The data was judged by then."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of output."""

    renderer: str
    """`module:function`, imported when it is used."""
    default: str
    """Where it goes when no path is given; `-` is standard output."""
    suffixes: tuple[str, ...]
    """Endings of a path by which the format is recognised."""
    binary: bool = False
    templated: bool = False
    """The function also takes the folders in which a user's own templates may lie."""
    afterwards: str | None = None
    """`module:function` that is told of the result once the output is written."""

    def render(self, *values: object) -> bytes:
        """What the renderer makes of a result."""
        rendered = _function(self.renderer)(*values)
        assert isinstance(rendered, str | bytes)
        return rendered.encode() if isinstance(rendered, str) else rendered

    def after(self, *values: object) -> None:
        """Tell `afterwards`, where there is one."""
        if self.afterwards is not None:
            _function(self.afterwards)(*values)


FORMATS: dict[str, Format] = {
    "json": Format("gate.reporting.json_report:to_json", "-", (".json",)),
    "html": Format("gate.reporting.html:to_html", "gate-report.html", (".html", ".htm"), templated=True),
    "parquet": Format("gate.reporting.findings_file:to_parquet", "findings.parquet", (".parquet",), binary=True),
    "markdown": Format("gate.reporting.markdown:to_markdown", "gate-report.md", (".md", ".markdown"), templated=True),
    "sarif": Format("gate.reporting.sarif:to_sarif", "gate.sarif", (".sarif",)),
    "junit": Format("gate.reporting.junit:to_junit", "gate-junit.xml", (".xml",)),
    "github": Format("gate.reporting.github:to_github", "-", (), afterwards="gate.reporting.github:publish"),
    "gitlab": Format("gate.reporting.gitlab:to_gitlab", "gl-code-quality-report.json", ()),
}


@dataclass(frozen=True, slots=True)
class Output:
    """One output that was asked for."""

    format: str
    path: Path | None
    """None: standard output."""


def parse_output(spec: str, formats: Mapping[str, Format] = FORMATS) -> Output:
    """Read `FORMAT`, `FORMAT=PATH` or a bare `PATH` whose ending names the format; `FORMAT=-` is standard output.

    Args:
        formats: those that there are.

    Raises:
        UsageError: no such format, no path behind `=`, or a binary format to standard output.
    """
    name, equals, path = spec.partition("=")
    if name in formats:
        if equals and not path:
            raise UsageError(f"no path behind `{spec}`", remedy=f"write `{name}=PATH`, or `{name}` alone")
        return _output(name, path or formats[name].default, formats)
    for known, each in formats.items():
        if each.suffixes and spec.lower().endswith(each.suffixes):
            return _output(known, spec, formats)
    listed = ", ".join(formats)
    raise UsageError(f"`{spec}` names no output format", remedy=f"write FORMAT or FORMAT=PATH; formats: {listed}")


def _output(name: str, path: str, formats: Mapping[str, Format]) -> Output:
    if path != "-":
        return Output(name, Path(path))
    if formats[name].binary:
        raise UsageError(f"{name} is binary and goes to a file", remedy=f"write `{name}=PATH`")
    return Output(name, None)


def prepare(output: Output) -> None:
    """Make sure, before anything is judged, that the output can be written where it was asked for.

    Raises:
        UsageError: the path is a folder, or its folder cannot be made or written to.
    """
    if output.path is None:
        return
    target = Path(os.path.realpath(output.path))
    try:
        if target.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(target if target.exists() else target.parent, os.W_OK):
            raise PermissionError(None, "no permission to write there")
    except OSError as error:
        raise UsageError(
            f"the {output.format} report cannot be written: {error.strerror or error}",
            where=os.fspath(output.path),
            remedy=f"name a file in a folder that can be written to: --output {output.format}=PATH",
        ) from error


def write(result: AdmissionResult, output: Output, folders: Folders | None = None) -> Path | None:
    """Render and write one output. An existing file is replaced only once the new one is complete on disk.

    Args:
        folders: where a user's own `reports/` may lie; gate's own only, where it is not given.

    Returns:
        the file that was written, or None for standard output.

    Raises:
        OutputError: the folder cannot be made or written to, the path is a folder, or the disk is full.
    """
    kind = FORMATS[output.format]
    content = kind.render(result, folders) if kind.templated else kind.render(result)
    try:
        if output.path is None:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            _put(content, output.path)
        kind.after(result)
    except BrokenPipeError:
        raise  # whoever read standard output went away
    except OSError as error:
        raise OutputError(
            f"the {output.format} report could not be written: {error.strerror or error}",
            where=None if output.path is None else os.fspath(output.path),
            remedy=f"name a file in a folder that can be written to: --output {output.format}=PATH",
        ) from error
    return output.path


def replace_file(content: bytes, path: Path) -> None:
    """Write a page that was asked for; an existing file is replaced only once the new one is complete on disk.

    Raises:
        UsageError: the folder cannot be made or written to, the path is a folder, or the disk is full.
    """
    try:
        _put(content, path)
    except OSError as error:
        raise UsageError(
            f"it cannot be written: {error.strerror or error}",
            where=os.fspath(path),
            remedy="name a file in a folder that can be written to",
        ) from error


def _function(name: str) -> Callable[..., object]:
    module, _, function = name.partition(":")
    found: Callable[..., object] = getattr(import_module(module), function)
    return found


def _put(content: bytes, path: Path) -> None:
    """Write to a temporary name beside the target, sync, and replace. Devices and pipes are written to directly."""
    target = Path(os.path.realpath(path))  # through a symbolic link, so that the link stays one
    if target.is_dir():
        raise IsADirectoryError(None, "it is a folder")
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            stream.write(content)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
