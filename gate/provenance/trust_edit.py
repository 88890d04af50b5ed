"""Changes a trust file as a careful person would: an entry more, a role more, a revocation.

Lines are put into the text where they belong, so that comments, order and quotes stay as they were and a review sees
only what changed. (A round trip through ruamel.yaml moves or loses the comment behind a list in brackets.) What comes
out is read again, and has to say exactly what was meant, before it is written.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from gate.errors import UsageError
from gate.provenance.keys import keyid_of, public_text
from gate.provenance.moments import moment
from gate.provenance.trust import DEFAULT, Role, Trust, TrustedKey
from gate.provenance.trust_file import at_path, parse_trust

_NEW = f"""\
# Whose word counts. It is read only where somebody names it: --trust, --trust-revision or GATE_TRUST.
# Whoever can change this file decides whom to trust: keep it under review, away from the data.
approvals:
  snapshot: {{count: {DEFAULT.count}, roles: [{", ".join(DEFAULT.roles)}], by_author: {str(DEFAULT.by_author).lower()}}}
keys:
"""


def trust_key(path: Path, name: str, public: bytes, roles: tuple[Role, ...], since: str | None = None) -> Trust:
    """Add a key, or roles to one that is there; the file is made where there is none.

    Args:
        since: from when on it counts, as a person writes a date.

    Raises:
        UsageError: the key is there under another name, or was revoked; the file cannot be written.
        PolicyError: the file does not say something gate can use.
    """
    known = at_path(path).keys.get(keyid_of(public)) if path.exists() else None
    if known is not None and known.name != name:
        raise UsageError(
            f"this key is that of {known.name!r} already", where=os.fspath(path), remedy="a key belongs to one person"
        )
    if known is not None and known.revoked is not None:
        raise UsageError(
            f"this key of {name!r} was revoked ({known.why_revoked})",
            where=os.fspath(path),
            remedy="make a new one: gate keys new NAME",
        )

    try:
        from_then = None if since is None else moment(since)
    except ValueError as error:
        raise UsageError(f"--since {since}: {error}") from None
    if known is None:
        meant = TrustedKey(name, keyid_of(public), public, roles, from_then)
        entry = [f"name: {quoted(name)}", f"public: {public_text(public)}", f"roles: [{', '.join(roles)}]"]
        if since is not None:
            entry.append(f"since: {since}")
        if not path.exists():
            return _write(path, _NEW + _item(entry, 2, "\n"), meant)
        text = _Text.at(path)
        return _write(path, text.with_entry(entry), meant)
    meant = replace(known, roles=tuple(dict.fromkeys((*known.roles, *roles))), since=from_then or known.since)
    content = _Text.at(path).with_roles(known, meant.roles)
    if since is not None:
        if known.since is not None:
            raise UsageError(
                f"the key of {name!r} counts from {known.since} on already",
                where=os.fspath(path),
                remedy="edit the file",
            )
        content = _Text(content, os.fspath(path)).with_line(known, f"since: {since}")
    return _write(path, content, meant)


def revoke_key(path: Path, key: TrustedKey, at: str, why: str) -> Trust:
    """Say that nothing counts which a key signs from a moment on.

    Args:
        at: as statements write time.

    Raises:
        UsageError: it is revoked already; the file cannot be written.
        PolicyError: the file does not say something gate can use, or the key began to count later.
    """
    if key.revoked is not None:
        raise UsageError(
            f"the key of {key.name!r} is revoked already, as of {key.revoked} ({key.why_revoked})",
            where=os.fspath(path),
            remedy="to change when or why, edit the file",
        )

    meant = replace(key, revoked=at, why_revoked=why)
    line = f"revoked: {{at: {at}, why: {quoted(why)}}}"
    return _write(path, _Text.at(path).with_line(key, line), meant)


@dataclass(frozen=True, slots=True)
class _Text:
    """A trust file's text, which was read strictly before."""

    text: str
    name: str

    @classmethod
    def at(cls, path: Path) -> _Text:
        return cls(path.read_bytes().decode("utf-8-sig"), os.fspath(path))

    def with_entry(self, lines: Sequence[str]) -> str:
        """With one more entry under `keys`."""
        entries = self._entries()
        last = entries.value[-1]
        column = last.start_mark.column
        dash = self._lines()[last.start_mark.line].rindex("-", 0, column)
        return self._insert(_after(last), _item(lines, dash, self._end(), column - dash))

    def with_line(self, key: TrustedKey, line: str) -> str:
        """With one more line in the entry of a key."""
        entry = self._entry(key)
        if entry.flow_style:
            closing = entry.end_mark.index - 1
            return f"{self.text[:closing].rstrip().rstrip(',')}, {line}{self.text[closing:]}"
        return self._insert(_after(entry), " " * entry.start_mark.column + line + self._end())

    def with_roles(self, key: TrustedKey, roles: Sequence[Role]) -> str:
        """With other roles in the entry of a key, of which the first are those that are there."""
        ((_, value),) = [pair for pair in self._entry(key).value if pair[0].value == "roles"]
        if isinstance(value, SequenceNode) and not value.flow_style:
            more = roles[len({item.value for item in value.value}) :]
            made = "".join(f"{' ' * (value.start_mark.column)}- {role}{self._end()}" for role in more)
            return self._insert(_after(value), made)
        start, end = value.start_mark.index, value.end_mark.index
        return f"{self.text[:start]}[{', '.join(roles)}]{self.text[end:]}"

    def _entries(self) -> SequenceNode:
        root = YAML(typ="safe", pure=True).compose(self.text)
        (entries,) = [value for name, value in root.value if name.value == "keys"]
        if entries.flow_style:
            raise UsageError(
                "the keys are a list in brackets, which is not changed by command",
                where=self.name,
                remedy="write each on lines of its own, beginning with `- name: …`",
            )
        assert isinstance(entries, SequenceNode)
        return entries

    def _entry(self, key: TrustedKey) -> MappingNode:
        text = public_text(key.public)
        for entry in self._entries().value:
            if any(name.value == "public" and value.value.strip() == text for name, value in entry.value):
                assert isinstance(entry, MappingNode)
                return entry
        raise AssertionError(f"{key.name} was read from this file")

    def _lines(self) -> list[str]:
        return self.text.splitlines(keepends=True)

    def _end(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _insert(self, line: int, made: str) -> str:
        lines = self._lines()
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += self._end()
        return "".join([*lines[:line], made, *lines[line:]])


def _after(node: Node) -> int:
    """The number of the line behind a node, comments on its last line included."""
    while isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    mark = node.end_mark
    return int(mark.line) + (1 if mark.column else 0)


def _item(lines: Sequence[str], dash: int, end: str, width: int = 2) -> str:
    first, *others = lines
    return "".join(
        [f"{' ' * dash}{'-':<{width}}{first}{end}", *(f"{' ' * (dash + width)}{line}{end}" for line in others)]
    )


def quoted(text: str) -> str:
    """Text in double quotes, which YAML reads as JSON does; a plain name stays plain."""
    plain = text.replace(" ", "a").isalpha() and text.lower() not in ("null", "true", "false", "yes", "no", "on", "off")
    return text if plain else json.dumps(text, ensure_ascii=False)


def _write(path: Path, text: str, meant: TrustedKey) -> Trust:
    """In place of the old file at once, or not at all; links stay links."""
    content = text.encode()
    trust = parse_trust(content, os.fspath(path))
    before = at_path(path) if path.exists() else Trust(os.fspath(path), "", {})
    if trust.keys != before.keys | {meant.keyid: meant} or (before.keys and trust.approvals != before.approvals):
        raise UsageError(
            "the file is written in a way that is not changed by command", where=os.fspath(path), remedy="edit it"
        )
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".trust-", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(mode)
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        raise UsageError(f"the trust file cannot be written ({reason})", where=os.fspath(path)) from None
    return trust
