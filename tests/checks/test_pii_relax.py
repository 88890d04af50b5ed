"""The relaxed form of a pattern is found wherever the pattern is, in any text at all."""

from __future__ import annotations

import string

import polars as pl
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.checks.presidio.relax import _FOLDS, relaxed

FLAGS = int(regex.DOTALL | regex.MULTILINE | regex.IGNORECASE)
UNICODE = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]


def _found(pattern: str, texts: list[str]) -> set[str]:
    series = pl.Series(texts)
    return set(series.filter(series.str.contains(pattern)).to_list())


@pytest.mark.parametrize(
    "pattern", [r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"[^\d\w]", r"[^a-f\s]", "[a-z]", "[À-ž]"]
)
def test_a_class_covers_every_character_that_the_original_matches(pattern: str) -> None:
    original = set(regex.findall(pattern, "".join(UNICODE), flags=FLAGS))
    assert original <= _found(relaxed(pattern, FLAGS) or "", UNICODE)


def test_the_other_cases_of_ascii_letters_are_all_known() -> None:
    everything = "".join(UNICODE)
    for letter in string.ascii_letters:
        others = set(regex.findall(letter, everything, flags=FLAGS)) - {letter, letter.swapcase()}
        assert others <= set(_FOLDS.get(letter.lower(), "")), letter


ATOMS = st.sampled_from(
    [
        r"a",
        r"k",
        r"S",
        r"é",
        r"\d",
        r"\w",
        r"\s",
        r"\W",
        r"[a-f]",
        r"[^x-z]",
        r"[^\s<>]",
        r".",
        r"\b",
        r"^",
        r"$",
        r"(?=a)",
        r"(?<!\w)",
        r"-",
        r"\.",
        r"@",
        r"(b)",
        r"(?:c|d1)",
        r"[Kk]",
        r"(?!x)",
    ]
)
REPEATS = st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{1,3}", "{0,20}", "{18,25}", "*?"])


@st.composite
def _patterns(draw: st.DrawFn) -> str:
    parts = []
    for atom in draw(st.lists(ATOMS, min_size=1, max_size=5)):
        fixed = atom in (r"\b", "^", "$") or atom.startswith(("(?=", "(?!", "(?<"))
        parts.append(atom if fixed else atom + draw(REPEATS))
    return "".join(parts)


@settings(max_examples=400, deadline=None)
@given(_patterns(), st.text(alphabet="abcdefkKsSxz019éİſK ٣３-.@<\n_\u200b", max_size=30))
def test_wherever_a_pattern_is_found_its_relaxed_form_is_too(pattern: str, text: str) -> None:
    loose = relaxed(pattern, FLAGS)
    assert loose is not None
    if regex.search(pattern, text, flags=FLAGS):
        assert _found(loose, [text])


def test_a_back_reference_is_relaxed_to_what_its_group_matches() -> None:
    loose = relaxed(r"([:-])\d\1\d", FLAGS)
    assert loose is not None
    assert _found(loose, [":1:2", "-1-2", "1 2"]) == {":1:2", "-1-2"}


@pytest.mark.parametrize(
    "pattern", [r"\p{L}+", "(?:foo){e<=1}", r"[[:alpha:]]+", r"a\Kb", r"(?<=a)(?i:b)", r"\R", "(?R)"]
)
def test_syntax_that_only_the_regex_module_knows_has_no_relaxed_form(pattern: str) -> None:
    assert relaxed(pattern, FLAGS) is None
