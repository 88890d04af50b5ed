"""What programs leave behind in answers: error messages, placeholders of templates, markup of web pages.

Each is looked for by form, position and context, not by a word anywhere: "error", "exception" or "failed" stands in 89
of 11,082 real answers, none of which is an error message.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from gate.checks.qualities.problems import Problem, report

# The whole answer is what a program prints for nothing.
_NOTHING = r"(?i)^\W*(?:undefined|nan|null|nil|<nil>|\[object object\])\W*$|^\W*None\W*$"
# An answer begins with one of these, or consists of it.
_FAILED = (
    r"^\s*(?:Traceback \(most recent call last\)|(?:\w+\.)*[A-Z]\w*(?:Error|Exception)\b:? |(?:Error|ERROR|Exception)"
    r"[:!] "
    r"|HTTP(?:/\d\.\d)? ?(?:Error )?[45]\d\d\b"
    r"|(?:<html>\s*<head>\s*<title>\s*)?[45]\d\d (?:Internal Server Error|Bad Gateway|Service Unavailable"
    r"|Service Temporarily Unavailable|Gateway Time-?out|Too Many Requests|Forbidden|Not Found)"
    r"|(?i:rate limit (?:reached|exceeded)|you(?:'ve| have)? (?:exceeded your current quota|reached your limit)"
    r"|too many requests|request timed out|connection (?:refused|reset|timed out)"
    r"|(?:the|that) (?:server|model) is (?:currently )?(?:overloaded|unavailable)"
    r"|an (?:unexpected |internal |unknown )?error (?:has )?occurred|(?:oops,? )?something went wrong"
    r"|internal server error|access denied|network error|failed to (?:fetch|generate|load)\b)"
    r'|\{\s*"error"\s*:)'
)
# An answer ends with one of these on a line of its own.
_FAILED_LATE = (
    r"(?i)\n\s*(?:network error|error in (?:message|body) stream|there was an error generating a response)\W*$"
)
_ABOUT_ERRORS = (
    r"(?i)error|exception|traceback|debug|\bbug\b|\blogs?\b|status code|http|crash|fail|issue|message|json|none|null"
    r"|undefined|\bnan\b|what will|output|return|\b[45]\d\d\b"
)

_SLOT = (
    r"\{\{ ?[A-Za-z_][\w .-]{0,40} ?\}\}"
    r"|\$?\{(?:input|question|answer|context|instruction|prompt|response|user_?name|user|first_?name|last_?name|name"
    r"|company|author|product|query|text|output|date|email|topic)\}"
    r"|%\((?:name|user|input|text)\)s|<(?:YOUR|INSERT|ENTER)[ _-][A-Z _-]{2,40}>"
    r"|\[(?:INSERT|PLACEHOLDER)[^\]\n]{0,40}\]"
    r"|(?i:\blorem ipsum\b)|(?m:^\s*(?:TODO|FIXME|TBD)\b)"
)
_BLANK = (
    r"(?i:\[(?:your|insert|enter|add|recipient|sender|company|customer|client|manager|hiring|name of)\b[^\]\n]{0,40}\]"
    r"|\[(?:full |first |last )?name\]|\[date\]|\[address\]|<your [^>\n]{2,30}>|\[phone number\])"
)
_CODE = (
    r"```|(?m:^\s*(?:def |class |function |import |from \w+ import|const |let |var |#include|public |<\?php|<!DOCTYPE))"
)
_ABOUT_TEMPLATES = r"(?i)template|placeholder|jinja|handlebars|mustache|f-string|lorem|format string|\{\{|\btodo\b"

_TAG = (
    r"(?i)</?(?:p|br|div|span|td|tr|th|li|ul|ol|table|font|strong|em|img|h[1-6]|center|blockquote)"
    r"(?:\s[^<>]{0,200})?/?>|<a\s[^<>]{0,200}href"
)
_ENTITY = r"&(?:nbsp|amp|lt|gt|quot|apos|rsquo|lsquo|ldquo|rdquo|ndash|mdash|hellip|copy|#\d{2,5}|#x[0-9a-fA-F]{2,4});"
_ESCAPED_TWICE = r"&amp;(?:amp|nbsp|lt|gt|quot|apos|#\d{2,5});"
_WIKI = r"\[(?:edit|citation needed)\]"
_STYLE = (
    r"\{[^{}]{0,300}\b(?:color|margin|padding|font-size|font-family|display|background)\s*:[^{}]{0,300};"
    r"|\bdocument\.(?:getElementById|write|querySelector)\(|\(window\.\w+ ?=|\bfunction\s*\(\w*\)\s*\{"
)
_ABOUT_MARKUP = (
    r"(?i)html|xml|css|javascript|\bjs\b|\bcode\b|markup|\btags?\b|web ?(?:page|site)|script|react|entit(?:y|ies)|svg"
    r"|<\w|&\w+;|\bsql\b|function|parse|wiki"
)


def error_residue(rows: pl.DataFrame) -> pl.DataFrame:
    """Answers that are an error message, where nobody asked about one."""
    head = pl.col("text").str.slice(0, 200)
    failed = head.str.contains(_FAILED) | pl.col("text").str.tail(200).str.contains(_FAILED_LATE)
    nothing = (pl.col("text").str.len_bytes() <= 20) & pl.col("text").str.contains(_NOTHING)
    suspects = rows.filter(failed | nothing).filter(~pl.col("asked").str.contains(_ABOUT_ERRORS))
    return report(suspects, Problem.ERROR_RESIDUE, "the answer is the error message of a program")


def placeholders(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Slots of a template that nobody filled in, and blanks that are left to the reader."""
    maybe = rows.filter(pl.col("text").str.contains(r"[\[{<]|(?i:lorem ipsum)|TODO|FIXME|XXX|TBD"))
    prose = maybe.filter(~pl.col("text").str.contains(_CODE), ~pl.col("asked").str.contains(_ABOUT_TEMPLATES))
    slots = prose.with_columns(shown=pl.col("text").str.extract(f"({_SLOT})")).filter(pl.col("shown").is_not_null())
    yield report(slots, Problem.PLACEHOLDER, "a placeholder was left in", shown=pl.col("shown"))
    blanks = prose.with_columns(shown=pl.col("text").str.extract(f"({_BLANK})")).filter(pl.col("shown").is_not_null())
    blanks = blanks.join(slots, on="index", how="anti")
    yield report(blanks, Problem.BLANK_TO_FILL, "a blank is left for the reader to fill in", shown=pl.col("shown"))


def markup_residue(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """Prose with at least `count` tags or entities, or any style, script, twice-escaped entity or link of a wiki's
    editor; answers that hold code, and questions about markup, are left out."""
    maybe = rows.filter(pl.col("text").str.contains(r"[<&{]|\[edit\]|\[citation|document\.|\(window\.|function"))
    maybe = maybe.filter(~pl.col("text").str.contains(_CODE), ~pl.col("asked").str.contains(_ABOUT_MARKUP))
    bare = pl.col("text").str.replace_all(r"`[^`\n]*`", " ")
    marks = bare.str.count_matches(_TAG) + bare.str.count_matches(_ENTITY)
    sure = bare.str.contains(_ESCAPED_TWICE) | bare.str.contains(_WIKI) | bare.str.contains(_STYLE)
    found = maybe.with_columns(
        marks=marks,
        sure=sure,
        shown=pl.coalesce([pl.col("text").str.extract(f"({each})") for each in (_TAG, _ENTITY, _WIKI, _STYLE)]),
    ).filter(pl.col("sure") | (pl.col("marks") >= count))
    message = pl.when("sure").then(pl.lit("markup of a web page was left in")).otherwise(
        pl.format("{} tags or entities of a web page were left in", "marks")
    )  # fmt: skip
    return report(found, Problem.MARKUP_RESIDUE, message, shown=pl.col("shown"))
