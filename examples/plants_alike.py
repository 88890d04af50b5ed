"""Planted rows that are too much alike: copies, near copies, templates, a chain, leaks between splits, and answers
that conflict."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from grammar import Grammar, Row
from planting import FAQ, PREFERENCES, RATINGS, TEST, TRAIN, VALIDATION, Plant, Slot, edited, turns

DIFFERENT = "different_answers"


def exact_duplicates(grammar: Grammar) -> list[Slot]:
    """Copies after folding: of equal contents the later one goes, of others the one with the greater id."""

    def copied(key: str, what: str, row: Row, where: str, other: Row, home: str = TRAIN) -> list[Slot]:
        plant = Plant("exact_duplicates", "exact_duplicate", what, partner=key)
        return [
            Slot(home, row, row, key=key),
            Slot(where, other, None, (plant,), after=key if where == home else None),
        ]

    plain = grammar.ticket()
    german: Row = {
        "ticket": "T9001",
        "channel": "mail",
        "topic": "part",
        "messages": [
            {
                "role": "user",
                "content": "Guten Tag,\n\n\n\nkönnen Sie mir für den Lantern einen größeren Milchaufsatz schicken?",
            },
            {
                "role": "assistant",
                "content": "Einen größeren gibt es leider nicht.\n\n\n\n\n\n"
                "Zwei kleine lassen sich aber während des Schäumens tauschen.",
            },
        ],
    }
    squeezed = [unicodedata.normalize("NFD", " ".join(str(turn["content"]).split())) for turn in turns(german)]
    preferred = grammar.preference()
    return [
        *copied(
            "copy",
            "the same row once more, with its keys in another order",
            plain,
            TRAIN,
            {**dict(reversed(plain.items())), "ticket": "T9002"},
        ),
        *copied(
            "umlaut",
            "a ticket once more as a question and its answer, in another Unicode form (NFD)",
            german,
            FAQ,
            {"question": squeezed[0], "answer": squeezed[1], "language": "de", "split": "train"},
        ),
        *copied(
            "pair",
            "the same pair of answers in capitals, without its final full stop's space",
            {**preferred, "chosen": f"{preferred['chosen']} \n"},
            PREFERENCES,
            {**preferred, "rejected": str(preferred["rejected"]).upper()},
            PREFERENCES,
        ),
    ]


def near_duplicates(grammar: Grammar) -> list[Slot]:
    """Rows that differ by a few words; the longer one stays."""

    def rule(what: str, kept: str) -> tuple[Plant, ...]:
        return (Plant("near_duplicates", "near_duplicate", what, partner=kept),)

    def long_ticket() -> Row:
        row = grammar.ticket(system=True)
        extra = str(turns(grammar.ticket(system=False))[0]["content"])
        return edited(row, lambda it: turns(it)[1].update(content=f"{turns(it)[1]['content']} {extra}"))

    found: list[Slot] = []
    for key, what in (("start", "at its start"), ("middle", "in its middle"), ("end", "at its end")):
        row = long_ticket()

        def insert(it: Row, key: str = key) -> None:
            words = str(turns(it)[1]["content"]).split(" ")
            words.insert({"start": 0, "middle": len(words) // 2, "end": len(words)}[key], "honestly")
            turns(it)[1]["content"] = " ".join(words)

        found += [
            Slot(TRAIN, row, row, rule(f"another row is the same with a word inserted {what}", f"insert-{key}")),
            Slot(TRAIN, edited(row, insert), None, key=f"insert-{key}"),
        ]

    def both(key: str, what: str, where: str, row: Row, edit: Callable[[Row], object], home: str = TRAIN) -> None:
        found.extend([Slot(home, row, row, key=key), Slot(where, edited(row, edit), None, rule(what, key))])

    def respell(it: Row) -> None:
        turns(it)[1]["content"] = str(turns(it)[1]["content"]).replace(",", "")

    def reword(it: Row) -> None:
        words = str(turns(it)[1]["content"]).split(" ")
        at = max(range(len(words)), key=lambda position: len(words[position]))
        turns(it)[1]["content"] = " ".join([*words[:at], "so", *words[at + 1 :]])

    def shorten(it: Row) -> None:
        words = str(turns(it)[1]["content"]).split(" ")
        turns(it)[1]["content"] = " ".join(words[:-6])

    both("comma", "the same words without their commas", TRAIN, long_ticket(), respell)
    for key, what, where, edit in (
        ("reword", "a row of the validation split, where one word is another", VALIDATION, reword),
        ("shorten", "a row of the test split, where the end of a message is cut off", TEST, shorten),
    ):
        row, plant = long_ticket(), Plant("leakage", "near_leak", what, partner=key)
        found += [Slot(TRAIN, row, None, (plant,)), Slot(where, edited(row, edit), edited(row, edit), key=key)]

    japanese: Row = {
        "question": "アリアの蒸気が弱くなったのですが、どうすればよいですか。"
        "毎朝二杯ずつ使っていて、買ってから半年ほどになります。",
        "answer": "蒸気ノズルに牛乳の成分が固まっている可能性があります。"
        "ぬるま湯に十分ほど浸し、付属の針で穴をやさしく掃除してください。"
        "その後、水だけで三十秒ほど蒸気を出すと元に戻ります。"
        "改善しない場合は点検いたしますので、この窓口までお知らせください。",
        "language": "ja",
        "split": "train",
    }
    both(
        "japanese",
        "a Japanese row without one character",
        FAQ,
        japanese,
        lambda it: it.update(question=str(it["question"]).replace("二杯ずつ", "二杯")),
        home=FAQ,
    )

    long_preference = edited(
        grammar.preference(),
        lambda it: it.update(
            chosen=f"{it['chosen']} Before you go, one more tip from our kitchen in Bremen: dry the parts "
            "with a soft cloth and let them stand open over night, then nothing will smell."
        ),
    )
    both(
        "preference",
        "a preference row with another end",
        PREFERENCES,
        long_preference,
        lambda it: it.update(chosen=str(it["chosen"]).replace(" nothing will smell.", " nothing smells.")),
        home=PREFERENCES,
    )
    return found + templated(rule) + chain(grammar, rule) + twice_and_almost(long_ticket()) + leak(grammar)


def leak(grammar: Grammar) -> list[Slot]:
    """A test row that is in the training split too, under other signs; its system message is a rare variant there."""
    row = grammar.ticket(system=True)
    spaced = edited(row, lambda it: turns(it)[-1].update(content="\n  " + str(turns(it)[-1]["content"])))
    lower = edited(row, lambda it: [turn.update(content=str(turn["content"]).lower()) for turn in turns(it)])
    what = "a test row in the training split, but for capitals and spaces"
    variant = Plant("consistency", "near_system_message", "a system message that others have with capitals")
    return [
        Slot(TRAIN, spaced, None, (Plant("leakage", "exact_leak", what, partner="leak"),)),
        Slot(TEST, lower, row, (variant,), key="leak"),
    ]


def twice_and_almost(row: Row) -> list[Slot]:
    """One row, a near copy and an exact copy of it, in this order over three files: the near copy must not hide
    behind the exact one."""

    def without_a_word(it: Row) -> None:
        words = str(turns(it)[1]["content"]).split(" ")
        turns(it)[1]["content"] = " ".join(words[:9] + words[10:])

    exact = Plant("leakage", "exact_leak", "a test row once more in the validation split", "thrice")
    near = Plant("leakage", "near_leak", "a test row without one of its words", "thrice")
    return [
        Slot(TEST, row, row, key="thrice"),
        Slot(TRAIN, edited(row, without_a_word), None, (near,), key="thrice-near"),
        Slot(VALIDATION, {**row, "ticket": "T9400"}, None, (exact,), key="thrice-copy"),
    ]


def templated(rule: Callable[[str, str], tuple[Plant, ...]]) -> list[Slot]:
    """Six notices out of one template, each with a longer product name than the last: only the longest stays."""
    names = ["Isle", "Ember", "Cinder", "Juniper", "Lanterns", "Fjord-Mini"]
    notice = (
        "Good news about your order: the {} was packed this morning by our small team and has just left the building "
        "with the courier. You need not be at home, because the driver may leave it with a neighbour or in the shed. "
        "Should it rain, he covers the box with a bag that you may keep. Please open the parcel soon and look whether "
        "everything arrived in one piece, since we replace what broke on the way only within two weeks after delivery."
    )

    def row(name: str, number: int) -> Row:
        messages = [
            {"role": "user", "content": f"{name}, order is out: please write the usual notice."},
            {"role": "assistant", "content": notice.format(name)},
        ]
        return {"ticket": f"T91{number:02d}", "channel": "mail", "topic": "late", "messages": messages}

    *others, longest = [Slot(TRAIN, row(name, at), None) for at, name in enumerate(names)]
    what = "one of six notices from one template; only the longest stays"
    return [
        Slot(TRAIN, longest.planted, longest.planted, key="notice"),  # type: ignore[arg-type]
        *(Slot(TRAIN, other.planted, None, rule(what, "notice")) for other in others),
    ]


def chain(grammar: Grammar, rule: Callable[[str, str], tuple[Plant, ...]]) -> list[Slot]:
    """a ~ b ~ c, with a and c too far apart: b goes, c must stay (connected components would drop it)."""
    extra = [str(turns(grammar.ticket(system=False))[0]["content"]) for _ in range(2)]
    a = edited(
        grammar.ticket(system=False),
        lambda it: it.update(
            messages=[
                {"role": "user", "content": " ".join([str(turns(it)[0]["content"]), *extra])},
                {"role": "assistant", "content": str(turns(it)[-1]["content"])},
            ]
        ),
    )
    words = str(turns(a)[0]["content"]).split(" ")
    answer = str(turns(a)[1]["content"])
    step = (len(words) + len(answer.split())) // 8

    def said(some: list[str]) -> Row:
        messages = [{"role": "user", "content": " ".join(some)}, {"role": "assistant", "content": answer}]
        return {**a, "messages": messages}

    return [
        Slot(TRAIN, a, a, key="chain-a"),
        Slot(
            TRAIN,
            said(words[step:]),
            None,
            rule("the middle of a chain a ~ b ~ c: like a, which stays", "chain-a"),
            key="chain-b",
        ),
        Slot(TRAIN, said(words[2 * step :]), said(words[2 * step :]), key="chain-c"),
    ]


def conflicting_answers(grammar: Grammar) -> list[Slot]:
    """One prompt, two answers; the clean twin keeps the first."""

    def clash(key: str, what: str, one: tuple[str, Row], two: tuple[str, Row], code: str = DIFFERENT) -> list[Slot]:
        def plant(partner: str) -> tuple[Plant, ...]:
            return (Plant("conflicting_answers", code, what, partner=partner),)

        return [
            Slot(one[0], one[1], one[1], plant(f"{key}-2"), key=f"{key}-1"),
            Slot(two[0], two[1], None, plant(f"{key}-1"), key=f"{key}-2"),
        ]

    def faq(question: str, answer: str) -> Row:
        return {"question": question, "answer": answer, "language": "en", "split": "train"}

    def chat(question: str, answer: str) -> Row:
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return {"ticket": "T9200", "channel": "chat", "topic": "guarantee", "messages": messages}

    pair, wish, liked = grammar.preference(), grammar.preference(), grammar.rating()
    better = "Please send it back at our cost; we look at it in Graz and you have it again by the end of the week."
    return [
        *clash(
            "years",
            "two lengths of the guarantee for one question",
            (
                FAQ,
                faq(
                    "How long is the guarantee on the Dune?",
                    "Three years from the day of delivery, five on the upper burr.",
                ),
            ),
            (
                FAQ,
                faq(
                    "how long is the  guarantee on the Dune?",
                    "We cover it for twenty-four months, and not a day beyond.",
                ),
            ),
        ),
        *clash(
            "islands",
            "the list of answers and a ticket disagree about shipping",
            (
                FAQ,
                faq(
                    "Do you ship to the islands?", "Yes, by ferry and at no extra cost, though it takes a week longer."
                ),
            ),
            (TRAIN, chat("Do you ship to the islands?", "Sorry, our courier serves the mainland only.")),
        ),
        *clash(
            "wish",
            "the answer that one row prefers is the one that another row rejects",
            (PREFERENCES, {**wish, "chosen": better}),
            (PREFERENCES, {**wish, "chosen": pair["chosen"], "rejected": better}),
            code="opposite_preferences",
        ),
        *clash(
            "label",
            "one answer was rated both good and bad",
            (RATINGS, liked),
            (RATINGS, {**liked, "label": not liked["label"]}),
            code="opposite_labels",
        ),
    ]
