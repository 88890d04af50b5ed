"""What an answer's own format is broken by: JSON that does not parse, fences and tags that are never closed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import orjson

Problem = tuple[str, int, int, str, bool]
"""Code, first character, character behind the last, message, and whether it may be meant (a sketch)."""

OPENS_LIKE_JSON = r'^\s*(?:\{\s*"[^"\n]{1,80}"\s*:|\{\s*\}|\[\s*[{\["])'
"""Rust and Python: how a JSON object, or an array of objects, arrays or strings begins."""
ASKS_FOR_JSON = (
    r"(?i)\b(?:respond|reply|answer|output|return|format(?:ted)?|written|formulated)\b[^.\n?]{0,80}"
    r"\b(?:in|as|with|using|only|valid)\b[^.\n?]{0,40}\bjson\b"
    r"|\bjson\b[^.\n?]{0,20}\b(?:only|and nothing else)\b"
)
"""Rust: a turn that says in which form the answer has to come."""

_OPENS = re.compile(OPENS_LIKE_JSON)
_OBJECT = re.compile(r'\s*\{\s*"[^"\n]{1,80}"\s*:')
_FENCE = re.compile(r"(?m)^[ \t]{0,12}(?P<mark>`{3,}|~{3,})(?P<rest>[^\n]*)$")
_JSON_FENCE = re.compile(r"(?ms)^[ \t]{0,12}```[ \t]*json[ \t]*\n(?P<body>.*?)^[ \t]{0,12}```")
_SKETCH = re.compile(r"\.\.\.|…|(?m:(?:^|\s)//)|/\*|<[a-z_ -]+>|\{\{")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def json_problems(text: str, *, asked: bool) -> Iterator[Problem]:
    """What is wrong with the JSON of an answer.

    Args:
        asked: whether the prompt wants JSON, and nothing else will do.
    """
    whole = text.strip()
    looks = _OPENS.match(text)
    # An array has to end like one: a list of sources may begin with a bracket and a quotation mark as well.
    if looks and (_OBJECT.match(text) or whole.endswith(("]", "}"))):
        if not _parses(whole):
            yield "answer_not_json", 0, len(text), "The answer begins like JSON and cannot be parsed.", False
        return
    fences = list(_JSON_FENCE.finditer(text))
    for fence in fences:
        if not _parses(fence["body"].strip()):
            start, end = fence.span("body")
            yield (
                "json_fence_broken",
                start,
                end,
                "What is fenced as JSON cannot be parsed.",
                bool(_SKETCH.search(fence["body"])),
            )
    if asked and not fences and not _has_json(text):
        yield "json_missing", 0, len(text), "The prompt asks for JSON, and the answer holds none.", False


def fence_problems(text: str) -> Iterator[Problem]:
    """A code fence that is never closed (CommonMark 0.31, 4.5, but any white space before it)."""
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            # What stands between fences on one line is code in a line, not a block.
            opened = None if fence["mark"][0] in fence["rest"] else fence
        elif fence["mark"].startswith(opened["mark"]) and not fence["rest"].strip():
            opened = None
    # Many answers close a fence at the end of a line: then the number of fences is even all the same.
    if opened is not None and text.count(opened["mark"][:3]) % 2:
        start, end = opened.span("mark")
        yield "fence_not_closed", start, end, "A code fence is opened and never closed.", False


def tag_problems(text: str, tags: Sequence[str]) -> Iterator[Problem]:
    """Tags that structure an answer, of which one is missing. What is quoted as code does not count."""
    said = _CODE.sub(lambda code: " " * len(code.group()), text)
    for tag in tags:
        depth = 0
        for match in re.finditer(rf"<(?P<close>/?){re.escape(tag)}(?:\s[^<>\n]*)?>", said):
            depth += -1 if match["close"] else 1
            if depth < 0:
                message = f"</{tag}> closes what was never opened."
                yield "tag_unbalanced", match.start(), match.end(), message, False
                break
            last = match
        if depth > 0:
            yield "tag_unbalanced", last.start(), last.end(), f"<{tag}> is opened and never closed.", False


def _parses(text: str) -> bool:
    """Whether a text is JSON, or JSON line by line."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not all(line.lstrip()[0] in "{[" for line in lines):
            return False
        try:
            for line in lines:
                orjson.loads(line)
        except orjson.JSONDecodeError:
            return False
    return True


def _has_json(text: str) -> bool:
    """Whether the text is JSON, or holds an object or array that is."""
    if _parses(text.strip()):
        return True
    for opening, closing in (("{", "}"), ("[", "]")):
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end and _parses(text[start : end + 1]):
            return True
    return False
