"""Instructions that can be followed to the letter, and formats that can be kept: each item with what must hold of an
answer (`checks`, of the scorer `format@1`), an answer that does, and one that does not."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from datetime import date, timedelta

from bench.suites.items import Record, facts
from bench.suites.numbers import written

WORDS: list[str] = facts("words")["words"]
COUNTED = {2: "twice", 3: "three times", 4: "four times"}
PLACES = ("first", "second", "third", "fourth")
SUBJECTS = ("rain", "sea", "bread", "music", "winter", "trains", "trees", "friendship", "coffee", "books")
SENTENCES = (
    "The {} stands near the old mill.",
    "She keeps a {} beside the door.",
    "My uncle painted the {} yesterday.",
    "Nobody has seen the {} this week.",
)
ACROSTICS = ("silk", "moon", "lake", "fern", "gold", "tide", "nest", "rope", "wind", "salt", "corn", "pine")

Check = dict[str, str | int]
Made = tuple[str, str, list[Check], str, str]
"""Group, instruction, checks, an answer that follows it, one that does not."""


def whole(pattern: str) -> list[Check]:
    """The whole answer matches, in any case, with or without quotation marks and a full stop."""
    return [{"check": "matches", "text": rf'(?i)["“]?{pattern}["”]?[.!]?'}]


def exact(text: str) -> list[Check]:
    """The whole answer is that text, in any case."""
    return whole(_literal(text))


def _literal(text: str) -> str:
    return re.escape(text).replace(r"\ ", " ").replace(r"\-", "-")


def instructions(draw: random.Random) -> list[Record]:
    """Eleven kinds, twelve of each."""
    kinds: tuple[Callable[[random.Random, int], Made], ...] = (
        _only_word, _repeated, _nth_word, _backwards, _sorted, _replaced, _capital_word, _condition, _initials,
        _left_out, _joined,
    )  # fmt: skip
    return _numbered("instructions", [kind(draw, at) for kind in kinds for at in range(12)])


def formats(draw: random.Random) -> list[Record]:
    """Fourteen kinds, ten of each."""
    kinds: tuple[Callable[[random.Random, int], Made], ...] = (
        _object, _array, _bullets, _numbers, _iso_date, _thousands, _separated, _brackets, _word_count, _capitals,
        _small, _last_word, _quotes, _clock,
    )  # fmt: skip
    return _numbered("formats", [kind(draw, at) for kind in kinds for at in range(10)])


def _numbered(task: str, made: list[Made]) -> list[Record]:
    if len({text for _, text, *_ in made}) < len(made):
        raise ValueError(f"{task}: two items ask the same")
    return [
        {
            "id": f"{task}-{at:03}", "group": group, "cluster": f"{task}/{group} {at}", "question": text,
            "checks": checks, "reference": right, "wrong": wrong,
        }
        for at, (group, text, checks, right, wrong) in enumerate(made, 1)
    ]  # fmt: skip


def _only_word(draw: random.Random, at: int) -> Made:
    word = WORDS[at]
    text = f'Reply with the word "{word}" and nothing else.'
    return "one word", text, exact(word), word, f"The word is {word}, as you asked."


def _repeated(draw: random.Random, at: int) -> Made:
    word, count = WORDS[10 + at], draw.choice(list(COUNTED))
    text = f'Write the word "{word}" {COUNTED[count]}, with a comma between.'
    checks = whole(", ?".join([word] * count))
    return "repetition", text, checks, ", ".join([word] * count), ", ".join([word] * (count + 1))


def _nth_word(draw: random.Random, at: int) -> Made:
    words, place = draw.sample(WORDS, 4), at % 4
    text = f"Which is the {PLACES[place]} word of this list: {', '.join(words)}? Answer with that word only."
    return "place in a list", text, exact(words[place]), words[place], words[(place + 1) % 4]


def _backwards(draw: random.Random, at: int) -> Made:
    word = WORDS[20 + at]
    text = f'Write the word "{word}" backwards, letter by letter, as one word.'
    return "backwards", text, exact(word[::-1]), word[::-1], word


def _sorted(draw: random.Random, at: int) -> Made:
    words = draw.sample(WORDS, 4)
    while words == sorted(words):
        draw.shuffle(words)
    text = f"Put these words into alphabetical order, with commas between: {', '.join(words)}."
    return "alphabetical order", text, whole(", ?".join(sorted(words))), ", ".join(sorted(words)), ", ".join(words)


def _replaced(draw: random.Random, at: int) -> Made:
    old, new = draw.sample(WORDS, 2)
    sentence = SENTENCES[at % 4]
    before, after = sentence.format(old), sentence.format(new)
    text = f'Write this sentence with "{new}" in place of "{old}": {before}'
    return "replacement", text, exact(after.rstrip(".")), after, before


def _capital_word(draw: random.Random, at: int) -> Made:
    word, other = draw.sample(WORDS, 2)
    sentence = SENTENCES[at % 4].format(f"{other} and the {word.upper()}")
    text = f"Which word is in capital letters here? Answer with that word only. {sentence}"
    return "capital word", text, exact(word), word.upper(), other


def _condition(draw: random.Random, at: int) -> Made:
    even, odd = draw.sample(WORDS, 2)
    number = draw.randrange(11, 99)
    right, wrong = (odd, even) if number % 2 else (even, odd)
    text = f'If {number} is an even number, write "{even}"; if it is odd, write "{odd}". Write that word only.'
    return "condition", text, exact(right), right, wrong


def _initials(draw: random.Random, at: int) -> Made:
    right = ACROSTICS[at]
    words = [draw.choice(FIRST[letter]) for letter in right]
    text = f"Write the first letters of these words as one word: {', '.join(words)}."
    return "first letters", text, exact(right), right, words[0]


FIRST = {
    letter: some.split()
    for letter, some in {
        "a": "apple arrow", "c": "cloud castle", "d": "dream desk", "e": "eagle engine", "f": "forest flute",
        "g": "goat grape", "i": "igloo iron", "k": "kite kiosk", "l": "lemon lantern", "m": "mouse mango",
        "n": "needle novel", "o": "olive otter", "p": "piano paper", "r": "raven raisin", "s": "stone sugar",
        "t": "table tulip", "w": "wagon water",
    }.items()
}  # fmt: skip


def _left_out(draw: random.Random, at: int) -> Made:
    words = draw.sample(WORDS, 5)
    out = words[draw.randrange(5)]
    kept = [word for word in words if word != out]
    text = f'Write these words again, in the same order, without "{out}": {" ".join(words)}'
    return "omission", text, whole(",? ".join(kept)), " ".join(kept), " ".join(words)


def _joined(draw: random.Random, at: int) -> Made:
    first, second = draw.sample(WORDS, 2)
    sign, name = draw.choice((("-", "a hyphen"), ("+", "a plus sign"), ("/", "a slash"), ("_", "an underscore")))
    text = f'Join the words "{first}" and "{second}" with {name}, without spaces.'
    return "joining", text, exact(f"{first}{sign}{second}"), f"{first}{sign}{second}", f"{first} {second}"


def _has(*parts: str) -> list[Check]:
    return [{"check": "contains", "text": part} for part in parts]


def _object(draw: random.Random, at: int) -> Made:
    key, other = draw.sample(("name", "city", "item", "colour"), 2)
    value, number = draw.sample(WORDS, 2), draw.randrange(10, 99)
    text = (
        f'Write a JSON object with three keys: "{key}" is "{value[0]}", "{other}" is "{value[1]}", '
        f'and "count" is the number {number}. Write the JSON only.'
    )
    right = json.dumps({key: value[0], other: value[1], "count": number})
    checks: list[Check] = [
        {"check": "json"},
        {"check": "starts_with", "text": "{"},
        *_has(f'"{key}"', f'"{other}"', '"count"', f'"{value[0]}"', f'"{value[1]}"'),
        {"check": "matches", "text": rf'(?s).*"count"\s*:\s*{number}\b.*'},
    ]
    return "json object", text, checks, right, right.replace('"', "")


def _array(draw: random.Random, at: int) -> Made:
    words = draw.sample(WORDS, 3)
    text = f"Write the words {words[0]}, {words[1]} and {words[2]} as a JSON array of strings, and nothing else."
    pattern = r"\s*,\s*".join(f'"{word}"' for word in words)
    checks: list[Check] = [{"check": "json"}, {"check": "matches", "text": rf"\[\s*{pattern}\s*\]"}]
    return "json array", text, checks, json.dumps(words), ", ".join(words)


def _listed(draw: random.Random, check: str) -> tuple[list[str], list[Check]]:
    words = draw.sample(WORDS, draw.choice((3, 4)))
    return words, [{"check": check, "exactly": len(words)}, {"check": "lines", "exactly": len(words)}, *_has(*words)]


def _named(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _bullets(draw: random.Random, at: int) -> Made:
    words, checks = _listed(draw, "bullets")
    text = f"List the words {_named(words)} as bullet points that begin with a hyphen, one on each line."
    return "bullets", text, checks, "\n".join(f"- {word}" for word in words), ", ".join(words)


def _numbers(draw: random.Random, at: int) -> Made:
    words, checks = _listed(draw, "numbered")
    text = f"Write the words {_named(words)} as a numbered list (1., 2. and so on), one on each line."
    right = "\n".join(f"{number}. {word}" for number, word in enumerate(words, 1))
    return "numbered list", text, checks, right, "\n".join(f"- {word}" for word in words)


def _iso_date(draw: random.Random, at: int) -> Made:
    day = date(1960, 1, 1) + timedelta(draw.randrange(25_000))
    text = f"Write the date {written(day)} in the form YYYY-MM-DD."
    return "date", text, exact(day.isoformat()), day.isoformat(), written(day)


def _thousands(draw: random.Random, at: int) -> Made:
    number = draw.randrange(1_100, 9_999_999 if at % 2 else 99_999)
    text = f"Write the number {number} with commas between the thousands."
    return "thousands", text, exact(f"{number:,}"), f"{number:,}", str(number)


def _separated(draw: random.Random, at: int) -> Made:
    words = draw.sample(WORDS, 4)
    sign, name = ((";", "semicolons"), ("|", "vertical bars"))[at % 2]
    text = f"Write the words {_named(words)} on one line, separated by {name}, without spaces."
    return "separators", text, exact(sign.join(words)), sign.join(words), f"{sign} ".join(words)


def _brackets(draw: random.Random, at: int) -> Made:
    word, other = draw.sample(WORDS, 2)
    left, right, name = (("[", "]", "square"), ("{", "}", "curly"), ("<", ">", "angle"), ("(", ")", "round"))[at % 4]
    text = f'Write the word "{word}" in {name} brackets, and nothing else.'
    wrong = word if at % 2 else f"{left}{other}{right}"
    return "brackets", text, exact(f"{left}{word}{right}"), f"{left}{word}{right}", wrong


FILLERS = ("This", "is", "what", "everybody", "has", "said")
NUMERALS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}


def _word_count(draw: random.Random, at: int) -> Made:
    count, subject = draw.choice((3, 4, 5, 6)), SUBJECTS[at]
    right = " ".join([*FILLERS[: count - 1], subject]) + "."
    text = f'Write exactly {NUMERALS[count]} words on one line, one of them "{subject}".'
    checks: list[Check] = [{"check": "words", "exactly": count}, {"check": "lines", "exactly": 1}, _word(subject)]
    return "number of words", text, checks, right, f"{right} And more."


def _word(word: str) -> Check:
    """It stands somewhere, in any case."""
    return {"check": "matches", "text": rf"(?is)(?:.*\W)?{word}(?:\W.*)?"}


def _capitals(draw: random.Random, at: int) -> Made:
    text = f'Write one short sentence with the word "{SUBJECTS[at]}", in capital letters only.'
    right = f"WE TALKED ABOUT {SUBJECTS[at].upper()} AGAIN."
    checks: list[Check] = [{"check": "uppercase"}, {"check": "words", "at_least": 3}, _word(SUBJECTS[at])]
    return "capital letters", text, checks, right, right.capitalize()


def _small(draw: random.Random, at: int) -> Made:
    text = f'Write one short sentence with the word "{SUBJECTS[at]}", in small letters only: no capital letter at all.'
    right = f"there was no {SUBJECTS[at]} to be seen."
    checks: list[Check] = [{"check": "lowercase"}, {"check": "words", "at_least": 3}, _word(SUBJECTS[at])]
    return "small letters", text, checks, right, right.capitalize()


def _last_word(draw: random.Random, at: int) -> Made:
    subject, word = SUBJECTS[at], WORDS[30 + at]
    text = f'Write one sentence with the word "{subject}" in it and the word "{word}" at its end.'
    right = f"When I think of {subject}, I think of a {word}."
    checks: list[Check] = [
        {"check": "matches", "text": rf"(?is).*\W{word}[.!?]?"},
        {"check": "words", "at_least": 4},
        {"check": "sentences", "exactly": 1},
        _word(subject),
    ]
    return "last word", text, checks, right, f"The {word} makes me think of {subject}."


def _quotes(draw: random.Random, at: int) -> Made:
    text = (
        f'Write one short sentence with the word {SUBJECTS[at]}. Put your whole answer into double quotation marks (").'
    )
    right = f'"We talked about {SUBJECTS[at]} again."'
    checks: list[Check] = [{"check": "quoted"}, {"check": "words", "at_least": 3}, _word(SUBJECTS[at])]
    return "quotation marks", text, checks, right, right.strip('"')


def _clock(draw: random.Random, at: int) -> Made:
    hour, minute, half = draw.randrange(1, 12), draw.randrange(0, 60), ("am", "pm")[at % 2]
    right = f"{hour + 12 * (half == 'pm'):02}:{minute:02}"
    text = f"Write the time {hour}:{minute:02} {half} on the 24-hour clock, in the form HH:MM."
    wrong = f"{(hour + 12 * (half == 'am')):02}:{minute:02}"
    return "clock", text, exact(right), right, wrong
