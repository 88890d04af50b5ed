"""Writes suggested predicates as files that gate can run today: a policy, and what its rules name.

Everything that came from the data or from a person stands in quotes or in a comment, masked and on one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from gate.data.masking import mask_text
from gate.reporting.inert import one_line
from gate.snapshots.features import FEATURES
from gate.snapshots.predicates import Bound, Measured, Phrases, Setting, Spoken
from gate.snapshots.suggest import Group, Suggestion

NAME = "reviewed"
"""Of the drafted policy, and before the names of what it brings."""


@dataclass(frozen=True, slots=True)
class Found:
    """A suggestion for a group, and what else it would flag."""

    group: Group
    suggestion: Suggestion
    flagged: int
    """Examples of the whole dataset that it flags."""
    others: int
    """Those among them that nobody called bad."""
    places: tuple[str, ...]
    """The first few of the others: place and masked head."""


@dataclass(slots=True)
class _Files:
    rules: list[tuple[str, str]] = field(default_factory=list)
    """Comment and YAML of each new rule."""
    settings: dict[str, dict[str, object]] = field(default_factory=dict)
    comments: dict[str, list[str]] = field(default_factory=dict)
    suite: list[dict[str, object]] = field(default_factory=list)
    suite_comments: list[str] = field(default_factory=list)
    lexicons: dict[str, list[str]] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)


def drafted(found: Sequence[Found], reviewed: int) -> dict[str, str]:
    """The files of some suggestions, by path below the folder of `gate.yaml`; none where there is none.

    Args:
        reviewed: examples that were judged good or bad.
    """
    if not found:
        return {}
    files = _Files()
    for each in found:
        draft, comment = each.suggestion.predicate.draft, told(each)
        if isinstance(draft, Setting):
            _merge(files.settings.setdefault(draft.rule, {}), draft)
            files.comments.setdefault(draft.rule, []).append(comment)
        elif isinstance(draft, Phrases):
            files.lexicons.setdefault(draft.lexicon, []).extend(draft.entries)
            files.settings.setdefault("quality", {})
            files.comments.setdefault("quality", []).append(f"{comment}\nSee rules/lexicons/{draft.lexicon}.txt.")
        elif isinstance(draft, Bound):
            files.suite.append(_expectation(draft, comment))
            files.suite_comments.append(comment)
        else:
            name, limits, source = _check(draft, each, files.checks)
            files.checks[name] = source
            files.rules.append((comment, _rule(name, name, limits, each)))
    made = {f"rules/admission/{NAME}.yaml": _policy(files, reviewed)}
    if files.suite:
        suite = {"name": NAME, "expectations": files.suite, "meta": {"great_expectations_version": "1.0.0"}}
        made[f"rules/expectations/{NAME}.json"] = orjson.dumps(suite, option=orjson.OPT_INDENT_2).decode() + "\n"
    for name, entries in files.lexicons.items():
        text = "\n".join(dict.fromkeys(entries))
        made[f"rules/lexicons/{name}.txt"] = f"extends: {name}\n\n[disclaimer]\n{text}\n"
    return made | {f"rules/checks/{name}.py": source for name, source in files.checks.items()}


def told(found: Found) -> str:
    """What a suggestion is and how well it does, in a few lines without a trailing full stop on the first."""
    one = found.suggestion
    return (
        f"{reason_shown(found.group)}: {one.predicate.says}\n"
        f"Catches {one.caught} of {one.behind} (recall {one.recall:.0%}) and {one.wrong} of {one.good} good ones "
        f"(precision {one.precision:.0%}).\n"
        f"In the whole dataset it flags {found.flagged:,} examples, {found.others:,} of which nobody called bad."
    )


def reason_shown(group: Group) -> str:
    """A reason as it may be shown: masked, on one line, in quotes."""
    if group.reason is None:
        return "bad without a reason"
    return f"“{one_line(mask_text(group.reason), 80)}”"


def _merge(params: dict[str, object], draft: Setting) -> None:
    for name, value in draft.params.items():
        had = params.get(name)
        if isinstance(had, list) and isinstance(value, list):
            params[name] = [each for each in had if each in value]
        elif isinstance(had, int) and isinstance(value, int):
            params[name] = min(had, value) if name.startswith("max") else max(had, value)
        else:
            params[name] = value


def _policy(files: _Files, reviewed: int) -> str:
    lines = [
        f"# Drafted by `gate review --suggest` from {reviewed:,} reviewed examples. Read it, change it, and try it:",
        f"# gate check DATA --policy {NAME}",
        "version: 1",
        f"name: {NAME}",
        "description: The policy of the example's own kind, and what reviewers found beside it",
        'extends: "@kind"',
        "",
        "rules:",
    ]
    for rule, params in files.settings.items():
        for comment in files.comments[rule]:
            lines += _commented(comment)
        lines.append(f"  - id: {rule}")
        # A rule that finds it already only has to block.
        lines += [f"    with: {orjson.dumps(params).decode()}"] if params else ["    severity: error"]
        lines.append("")
    for comment in files.suite_comments:
        lines += _commented(comment)
    if files.suite:
        lines += [_yaml(f"{NAME}_bounds", "expectations", {"suite": NAME}, "Reviewers called such examples bad."), ""]
    for comment, rule in files.rules:
        lines += [*_commented(comment), rule, ""]
    return "\n".join(lines).rstrip() + "\n"


def _commented(comment: str) -> list[str]:
    return [f"  # {line}" for line in comment.splitlines()]


def _rule(name: str, check: str, params: dict[str, object], found: Found) -> str:
    one = found.suggestion
    why = f"Reviewers called such examples bad ({reason_shown(found.group)}: {one.caught} of {one.behind})."
    return _yaml(name, check, params, why)


def _yaml(name: str, check: str, params: dict[str, object], why: str) -> str:
    return "\n".join(
        (
            f"  - id: {name}",
            f"    check: {check}",
            f"    with: {orjson.dumps(params).decode()}",  # JSON is YAML
            "    severity: warning",
            "    remedy: review",
            f"    why: {orjson.dumps(why).decode()}",
        )
    )


def _expectation(draft: Bound, comment: str) -> dict[str, object]:
    limits = {"min_value": draft.least, "max_value": draft.most}
    return {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": draft.column} | {key: value for key, value in limits.items() if value is not None},
        "meta": {"rule": f"{NAME}-{draft.column.replace('_', '-')}"},
        "notes": " ".join(comment.split()),
        "severity": "warning",
    }


def _check(draft: Measured | Spoken, found: Found, taken: dict[str, str]) -> tuple[str, dict[str, object], str]:
    """The name of a drafted check, the parameters of its rule, and its source."""
    stem = draft.feature if isinstance(draft, Measured) else f"{draft.column}_phrases"
    name = f"{NAME}_{stem}"
    number = 2
    while name in taken:
        name, number = f"{NAME}_{stem}_{number}", number + 1
    title = "".join(part.title() for part in name.split("_"))
    if isinstance(draft, Measured):
        word, sign = ("most", ">") if draft.above else ("least", "<")
        meaning, expression = FEATURES[draft.feature]
        source = _MEASURED.format(name=name, title=title, word=word, sign=sign, meaning=meaning, expression=expression)
        return name, {word: draft.limit}, source
    return name, {"phrases": list(draft.phrases)}, _SPOKEN.format(name=name, title=title, column=draft.column)


_MEASURED = '''\
"""Measures the {meaning}. Drafted by `gate review --suggest`."""

from __future__ import annotations

import polars as pl

from gate.checks import Context, Frames, Measurement, Params, check, found


class {title}Params(Params):
    {word}: float
    """The limit: {meaning}."""


@check(
    "{name}",
    params={title}Params,
    codes={{"{name}": "Beyond the limit: {meaning}."}},
    fails=(),
    passes=(),
)
def {name}(frames: Frames, params: {title}Params, context: Context) -> Measurement:
    """Examples beyond a limit of: {meaning}."""
    texts = pl.DataFrame({{"answer": frames.response, "prompt": frames.prompt, "text": frames.examples["text"]}})
    texts = texts.with_columns(answer=pl.coalesce("answer", "text"))
    value = {expression}
    score = texts.select(score=pl.when(value.is_finite()).then(value))["score"]
    rows = frames.examples.select("id", "file", "row").with_columns(score).filter(pl.col("score") {sign} params.{word})
    message = "Beyond the limit: {meaning}."
    return Measurement(
        findings=found(rows.with_columns(code=pl.lit("{name}"), message=pl.lit(message))),
        examined=frames.examples.height,
    )
'''
_SPOKEN = '''\
"""Looks for phrases in the {column}. Drafted by `gate review --suggest`."""

from __future__ import annotations

import re

import polars as pl
from pydantic import Field

from gate.checks import Context, Frames, Measurement, Params, check, found


class {title}Params(Params):
    phrases: tuple[str, ...] = Field(min_length=1)
    """Words in small letters, with a space between; any other signs may stand between them in the data."""


@check(
    "{name}",
    params={title}Params,
    codes={{"{name}": "The {column} holds one of the phrases."}},
    fails=(),
    passes=(),
)
def {name}(frames: Frames, params: {title}Params, context: Context) -> Measurement:
    """Phrases in the {column} that reviewers did not like."""
    texts = pl.DataFrame({{"answer": frames.response, "prompt": frames.prompt, "text": frames.examples["text"]}})
    text = texts.with_columns(answer=pl.coalesce("answer", "text"))["{column}"].str.replace_all("’", "'", literal=True)
    each = (r"\\W+".join(re.escape(word) for word in phrase.split()) for phrase in params.phrases)
    flags = text.str.contains(rf"(?i)\\b(?:{{'|'.join(each)}})\\b").fill_null(False)
    rows = frames.examples.select("id", "file", "row").filter(flags)
    message = pl.lit("The {column} holds a phrase that reviewers did not like.")
    return Measurement(
        findings=found(rows.with_columns(code=pl.lit("{name}"), message=message)),
        examined=frames.examples.height,
    )
'''
