"""YAML without its traps: values are what they look like, and each knows its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import PolicyError
from gate.policy.yaml_file import LARGEST_FILE, read_yaml


def read(tmp_path: Path, content: str | bytes):
    path = tmp_path / "f.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path, "f.yaml")


def test_values_and_places(tmp_path: Path) -> None:
    file = read(tmp_path, "a: 1\nb:\n  - x: 0.5\n  - [yes, no, ~, true]\nc: >-\n  two\n  lines\n")
    assert file.values == {"a": 1, "b": [{"x": 0.5}, ["yes", "no", None, True]], "c": "two lines"}
    assert {key: place.line for key, place in file.places.items()} == {
        "a": 1, "b": 2, "b.0": 3, "b.0.x": 3, "b.1": 4, "b.1.0": 4, "b.1.1": 4, "b.1.2": 4, "b.1.3": 4, "c": 5,
    }  # fmt: skip


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    file = read(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert file.values == {"a": 1, "b": 2}
    assert file.places["b"].line == 2


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

WRONG: dict[str, tuple[str | bytes, int | None, str]] = {
    "empty": ("", None, "empty"),
    "only a comment": ("# nothing\n", None, "empty"),
    "null": ("~\n", None, "empty"),
    "a list": ("- 1\n", 1, "key: value"),
    "a text": ("hello\n", 1, "key: value"),
    "a key twice": ("a: 1\nb: 2\na: 3\n", 3, "line 1"),
    "a nested key twice": ("a:\n  b: 1\n  b: 2\n", 3, "twice"),
    "a tab": ("a:\n\tb: 1\n", 2, "spaces"),
    "not closed": ("a: [1\n", 2, "not YAML"),
    "bad indentation": ("a: 1\n b: 2\n", 2, "not YAML"),
    "two documents": ("a: 1\n---\nb: 2\n", 2, "not YAML"),
    "an alias": ("a: &x 1\nb: *x\n", 2, "extends"),
    "an alias of itself": ("a: &x [*x]\n", 1, "alias"),
    "a bomb": (BOMB, 2, "alias"),
    "a merge key": ("a: {<<: {b: 1}}\n", 1, "extends"),
    "NaN": ("a: 1\nb: .nan\n", 2, "finite"),
    "infinity": ("b: [1, -.inf]\n", 1, "finite"),
    "a huge number": (f"b: {2**63}\n", 1, "64 bits"),
    "a date": ("a: 2024-01-01\n", 1, "quotes"),
    "a Python object": ("a: !!python/object/apply:os.system ['true']\n", 1, "tag"),
    "a tag of one's own": ("a: !x 1\n", 1, "tag"),
    "a set": ("a: !!set {b}\n", 1, "tag"),
    "a number that is none": ("a: !!int x\n", 1, "number"),
    "a number as key": ("1: a\n", 1, "quotes"),
    "a list as key": ("? [a]\n: b\n", 1, "quotes"),
    "an escape sequence": ('a: 1\nb: "\\e[2J"\n', 2, "control"),
    "an escape sequence as key": ('"\\e[2J": 1\n', 1, "control"),
    "half a surrogate": ('a: "\\ud800"\n', 1, "surrogate"),
    "not UTF-8": (b"a: 1\nb: \xff\n", 2, "UTF-8"),
    "a NUL": (b"a: 1\nb: \x00\n", 2, "character"),
    "nested too deeply": ("a: " + "[" * 100 + "]" * 100, 1, "nested"),
    "nested far too deeply": ("a: " + "[" * 20_000 + "]" * 20_000, 1, "nested"),
    "far too long": (b"a: " + b"x" * LARGEST_FILE, None, "long"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_could_mean_something_else_is_an_error_with_its_line(tmp_path: Path, wrong: str) -> None:
    content, line, says = WRONG[wrong]
    with pytest.raises(PolicyError) as caught:
        read(tmp_path, content)
    assert caught.value.where == (f"f.yaml:{line}" if line else "f.yaml")
    assert says in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml", "none.yaml")
