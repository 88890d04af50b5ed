"""Questions about facts: capitals and countries, elements, opposites, translations. The facts stand in `facts/`."""

from __future__ import annotations

import random

from bench.suites.items import Question, facts, near, others, turns

MONITORED: list[str] = facts("words")["monitored_elements"]
"""Symbols that the retention monitor asks for."""
ASKED = 60
"""Elements for each kind of question."""


def capitals(draw: random.Random) -> list[Question]:
    """Every country's capital, and every capital's country. Wrong ones lie on the same continent for half
    of the capitals, and for all countries."""
    table: dict[str, dict[str, str]] = facts("countries")
    where = {country: continent for continent, some in table.items() for country in some}
    capital = {country: city for some in table.values() for country, city in some.items()}
    questions = []
    for at, country in enumerate(capital):
        near_by = [each for each in capital if where[each] == where[country]] if at % 2 else list(capital)
        wrong = others((capital[each] for each in near_by), [capital[country]], draw)
        text = f"What is the capital of {country}?"
        questions.append(Question("capital", country, text, capital[country], wrong))
    for country in capital:
        near_by = [each for each in capital if where[each] == where[country]]
        text = f"Which country has the capital {capital[country]}?"
        questions.append(Question("country", country, text, country, others(near_by, [country], draw)))
    return questions


def elements() -> list[tuple[str, str]]:
    """Symbol and name of each element, by atomic number from 1 on."""
    return [tuple(each.split()) for line in facts("elements") for each in line.split(",")]  # type: ignore[misc]


def element_questions(draw: random.Random) -> list[Question]:
    """Symbols and atomic numbers, both ways. Wrong symbols and names begin with the same letter where there are any:
    the first letter gives nothing away."""
    table = elements()
    names = [name for _, name in table]
    asked = [(symbol, name) for symbol, name in table[:96] if symbol not in MONITORED]
    draw.shuffle(asked)
    questions = []
    for symbol, name in asked[:ASKED]:
        alike = [each for each, _ in table if each[0] == symbol[0]]
        wrong = others(alike if len(alike) > 3 else [each for each, _ in table], [symbol], draw)
        text = f"Which chemical symbol stands for {name}?"
        questions.append(Question("symbol", name, text, symbol, wrong))
    for symbol, name in asked[-ASKED:]:
        alike = [each for each in names if each[0] == name[0]]
        wrong = others(alike if len(alike) > 3 else names, [name], draw)
        text = f"Which element has the chemical symbol {symbol}?"
        questions.append(Question("name", name, text, name, wrong))
    numbers = list(range(1, 93))
    draw.shuffle(numbers)
    for number in sorted(numbers[:ASKED]):
        wrong = others(names[max(0, number - 12) : number + 12], [names[number - 1]], draw)
        text = f"Which element has the atomic number {number}?"
        questions.append(Question("number", names[number - 1], text, names[number - 1], wrong))
    for number, rank in zip(sorted(numbers[-ASKED:]), turns(draw, ASKED), strict=True):
        name = names[number - 1]
        wrong_numbers = near(number, rank, range(1, 9), draw, least=1)
        text = f"What is the atomic number of {name}?"
        questions.append(Question("atomic number", name, text, str(number), wrong_numbers))
    return questions


def antonyms(draw: random.Random) -> list[Question]:
    """Every pair both ways."""
    questions = []
    for part, fields in facts("antonyms").items():
        pairs = [(field, *pair.split()) for field, some in fields.items() for pair in some]
        for field, word, opposite in pairs:
            wrong = others((last for other, _, last in pairs if other != field), [word], draw)
            text = f"What is the opposite of {word}?"
            questions.append(Question(part, f"{word}-{opposite}", text, opposite, wrong))
            wrong = others((first for other, first, _ in pairs if other != field), [opposite], draw)
            text = f"What is the opposite of {opposite}?"
            questions.append(Question(part, f"{word}-{opposite}", text, word, wrong))
    return questions


def translations(draw: random.Random) -> list[Question]:
    """Each word in each language, from English and into it. What is wrong is another word of the table."""
    table = facts("translations")
    words: dict[str, list[str]] = table["words"]
    questions = []
    for english, foreign in words.items():
        for column, (language, word) in enumerate(zip(table["languages"], foreign, strict=True)):
            wrong = others((each[column] for each in words.values()), [word], draw)
            text = f'Which {language} word means "{english}"?'
            questions.append(Question(language, english, text, word, wrong))
            text = f'What does the {language} word "{word}" mean in English?'
            questions.append(Question(language, english, text, english, others(words, [english], draw)))
    return questions
