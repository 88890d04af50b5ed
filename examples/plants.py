"""The problems that are planted into the example data: what is wrong, where, and what the mended row is.

Each plant takes a clean row of the grammar and damages it, or adds a copy. Its `Slot` holds both sides: the row
as it stands in `support-desk/` and as it stands in `support-desk-clean/`. Personal data here belongs to nobody:
the phone numbers have central office codes that are never assigned (N11, NANPA) or are set aside for drama
(Ofcom), bank codes do not exist, and the domains were made up.
"""

from __future__ import annotations

import copy
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from grammar import Grammar, Row

TRAIN, TEST, VALIDATION = "tickets/train.jsonl", "tickets/test.jsonl", "tickets/validation.jsonl"
FAQ, RATINGS = "faq.csv", "ratings.jsonl"
PREFERENCES = "preferences/train.parquet"


@dataclass(frozen=True)
class Plant:
    """One finding that the check must make: at this slot, by this rule."""

    rule: str
    code: str
    what: str
    partner: str | None = None
    """The key of the slot it is compared with."""
    severity: str | None = None
    """Where it is not the rule's own: `info` for a documentation value."""


@dataclass(frozen=True)
class Slot:
    """One row of a file, in both datasets."""

    file: str
    planted: Row | bytes | None
    """As it stands in the planted dataset; bytes are written as they are; None leaves the row out."""
    clean: Row | None
    """As it stands in the clean twin; None leaves the row out."""
    plants: tuple[Plant, ...] = ()
    key: str | None = None
    last: bool = False
    """Whether it has to be the last row of its file."""


def edited(row: Row, edit: Callable[[Row], object]) -> Row:
    """A deep copy of the row after the edit."""
    other = copy.deepcopy(row)
    edit(other)
    return other


def turns(row: Row) -> list[Row]:
    """The messages of a ticket, or of the first message's list, for editing in place."""
    return row["messages"]  # type: ignore[return-value]


def line(row: Row) -> bytes:
    """The row as one line of JSONL, without its line feed."""
    return json.dumps(row, ensure_ascii=False).encode()


def plants(grammar: Grammar) -> list[Slot]:
    """Every planted row with its clean side."""
    return [
        *malformed(grammar),
        *structure(grammar),
        *exact_duplicates(grammar),
        *near_duplicates(grammar),
        *conflicting_answers(grammar),
        *personal_data(grammar),
        *expectations(grammar),
        *innocent(grammar),
    ]


def malformed(grammar: Grammar) -> list[Slot]:
    """Rows that cannot be read; the clean twin holds them mended."""

    def slot(code: str, what: str, damage: Callable[[Row], bytes | Row], *, last: bool = False) -> Slot:
        row = grammar.ticket()
        return Slot(TRAIN, damage(row), row, (Plant("structure", code, what),), last=last)

    rating, preference, faq = grammar.rating(), grammar.preference(), grammar.faq()
    return [
        slot("invalid_json", "a comma is missing between two keys", lambda row: line(row).replace(b', "', b' "', 1)),
        slot("invalid_utf8", "a Latin-1 byte in a UTF-8 file", lambda row: line(row).replace(b" the ", b" th\xe9 ", 1)),
        slot("duplicate_key", "`topic` stands there twice", lambda row: line(row).replace(b"{", b'{"topic": "heat", ', 1)),
        slot("not_an_object", "a list in place of an object", lambda row: line(turns(row))),  # type: ignore[arg-type]
        slot("missing_field", "`messages` is missing", lambda row: edited(row, lambda r: r.pop("messages"))),
        slot("wrong_type", "a content is a number", lambda row: edited(row, lambda r: turns(r)[-1].update(content=42))),
        slot("wrong_type", "`messages` is a string", lambda row: {**row, "messages": "see the attached mail"}),
        slot("truncated", "the last line breaks off", lambda row: line(row)[: len(line(row)) // 2], last=True),
        Slot(
            FAQ,
            ",".join([*(f'"{rating[key]}"' for key in ("prompt", "completion")), "en", "train", "oops"]).encode(),
            faq,
            (Plant("structure", "ragged_row", "five fields where the header names four"),),
        ),
        Slot(
            PREFERENCES,
            {**preference, "chosen": None},
            preference,
            (Plant("structure", "missing_field", "`chosen` is null"),),
        ),
        Slot(
            RATINGS,
            edited(rating, lambda row: row.pop("label")),
            rating,
            (Plant("structure", "missing_field", "`label` is missing"),),
        ),
    ]  # fmt: skip


def structure(grammar: Grammar) -> list[Slot]:
    """Rows that can be read and make no sense as training data."""

    def chat(code: str, what: str, edit: Callable[[Row], object], *, tool: bool = False) -> Slot:
        row = grammar.ticket(tool=tool, system=True)
        return Slot(TRAIN, edited(row, edit), row, (Plant("structure", code, what),))

    def swap(row: Row) -> None:
        turns(row)[2], turns(row)[3] = turns(row)[3], turns(row)[2]

    def call(row: Row) -> Row:
        return next(turn for turn in turns(row) if turn.get("tool_calls"))["tool_calls"][0]["function"]  # type: ignore[index]

    def cut(row: Row) -> None:
        del turns(row)[4:]

    same, empty = grammar.preference(), grammar.preference()
    blank, echo, mute = grammar.faq(), grammar.faq(), grammar.rating()
    return [
        chat("role_order", "the customer speaks twice in a row, then the agent twice", swap),
        chat("empty_turn", "a customer's turn is blank", lambda row: turns(row)[3].update(content="  ")),
        chat("system_not_first", "the system message stands second", lambda row: turns(row).insert(1, turns(row).pop(0))),
        chat("last_turn_not_assistant", "the customer has the last word", cut),
        chat("unknown_role", "a role called `agent`", lambda row: turns(row)[2].update(role="agent")),
        chat(
            "tool_arguments_not_json",
            "the arguments of a tool call break off",
            lambda row: call(row).update(arguments='{"order": '),
            tool=True,
        ),
        chat(
            "tool_call_without_tool",
            "a tool is called that the example does not offer",
            lambda row: call(row).update(name="cancel_order"),
            tool=True,
        ),
        chat(
            "tool_call_without_result",
            "a tool is called and nothing comes back",
            lambda row: turns(row).pop(next(at for at, turn in enumerate(turns(row)) if turn["role"] == "tool")),
            tool=True,
        ),
        Slot(
            PREFERENCES,
            {**same, "rejected": f" {same['chosen']}"},
            same,
            (Plant("structure", "chosen_equals_rejected", "both answers are the same but for a space"),),
        ),
        Slot(
            PREFERENCES,
            {**empty, "rejected": ""},
            empty,
            (Plant("structure", "empty_rejected", "the rejected answer is empty"),),
        ),
        Slot(FAQ, {**blank, "answer": " "}, blank, (Plant("structure", "empty_answer", "the answer is blank"),)),
        Slot(
            FAQ,
            {**echo, "answer": str(echo["question"]).upper()},
            echo,
            (Plant("structure", "answer_equals_prompt", "the answer repeats the question"),),
        ),
        Slot(
            RATINGS,
            {**mute, "completion": ""},
            mute,
            (Plant("structure", "empty_answer", "an empty answer was rated"),),
        ),
    ]  # fmt: skip


def exact_duplicates(grammar: Grammar) -> list[Slot]:
    """Copies after folding; the shorter one goes, of equals the later."""

    def copied(key: str, what: str, row: Row, where: str, other: Row, home: str = TRAIN) -> list[Slot]:
        return [
            Slot(home, row, row, key=key),
            Slot(where, other, None, (Plant("exact_duplicates", "exact_duplicate", what, partner=key),)),
        ]

    plain, leaked = grammar.ticket(), grammar.ticket()
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
        *copied("copy", "the same row once more, with its keys in another order", plain, TRAIN,
                {**dict(reversed(plain.items())), "ticket": "T9002"}),
        *copied("leak", "a training row leaked into the test split, in lower case and with its spaces squeezed",
                edited(leaked, lambda row: turns(row)[-1].update(content="\n  " + str(turns(row)[-1]["content"]))),
                TEST, edited(leaked, lambda row: [turn.update(content=str(turn["content"]).lower()) for turn in turns(row)])),
        *copied("umlaut", "a ticket once more as a question and its answer, in another Unicode form (NFD)", german, FAQ,
                {"question": squeezed[0], "answer": squeezed[1], "language": "de", "split": "train"}),
        *copied("pair", "the same pair of answers in capitals, without its final full stop's space", 
                {**preferred, "chosen": f"{preferred['chosen']} \n"}, PREFERENCES,
                {**preferred, "rejected": str(preferred["rejected"]).upper()}, PREFERENCES),
    ]  # fmt: skip


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
    both("reword", "one word exchanged", VALIDATION, long_ticket(), reword)
    both("shorten", "the end of a message is cut off; leaked into the test split", TEST, long_ticket(), shorten)

    japanese: Row = {
        "question": "アリアの蒸気が弱くなったのですが、どうすればよいですか。毎朝二杯ずつ使っていて、買ってから半年ほどになります。",
        "answer": "蒸気ノズルに牛乳の成分が固まっている可能性があります。ぬるま湯に十分ほど浸し、付属の針で穴をやさしく掃除してください。"
        "その後、水だけで三十秒ほど蒸気を出すと元に戻ります。改善しない場合は点検いたしますので、この窓口までお知らせください。",
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
        lambda it: it.update(chosen=f"{it['chosen']} Before you go, one more tip from our kitchen in Bremen: dry the parts "
                                    "with a soft cloth and let them stand open over night, then nothing will smell."),
    )  # fmt: skip
    both(
        "preference",
        "a preference row without its last word",
        PREFERENCES,
        long_preference,
        lambda it: it.update(chosen=str(it["chosen"]).removesuffix(" smell.")),
        home=PREFERENCES,
    )
    return found + templated(rule) + chain(grammar, rule)


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
            {"role": "user", "content": "Please write the usual notice for a parcel that went out."},
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
        lambda it: it.update(messages=[
            {"role": "user", "content": " ".join([str(turns(it)[0]["content"]), *extra])},
            {"role": "assistant", "content": str(turns(it)[-1]["content"])},
        ]),
    )  # fmt: skip
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

    def clash(key: str, what: str, one: tuple[str, Row], two: tuple[str, Row]) -> list[Slot]:
        def plant(partner: str) -> tuple[Plant, ...]:
            return (Plant("conflicting_answers", "conflicting_answers", what, partner=partner),)

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
        *clash("years", "two lengths of the guarantee for one question",
               (FAQ, faq("How long is the guarantee on the Dune?", "Three years from the day of delivery, five on the upper burr.")),
               (FAQ, faq("how long is the  guarantee on the Dune?", "We cover it for twenty-four months, and not a day beyond."))),
        *clash("islands", "the list of answers and a ticket disagree about shipping",
               (FAQ, faq("Do you ship to the islands?", "Yes, by ferry and at no extra cost, though it takes a week longer.")),
               (TRAIN, chat("Do you ship to the islands?", "Sorry, our courier serves the mainland only."))),
        *clash("wish", "the answer that one row prefers is the one that another row rejects",
               (PREFERENCES, {**wish, "chosen": better}), (PREFERENCES, {**wish, "chosen": pair["chosen"], "rejected": better})),
        *clash("label", "one answer was rated both good and bad",
               (RATINGS, liked), (RATINGS, {**liked, "label": not liked["label"]})),
    ]  # fmt: skip


def personal_data(grammar: Grammar) -> list[Slot]:
    """Personal data in every kind of field, and documentation values, which only count."""

    def said(code: str, what: str, text: str, *, at: str = TRAIN, severity: str | None = None) -> Slot:
        row = grammar.ticket(system=False)
        planted = edited(row, lambda it: turns(it)[0].update(content=f"{turns(it)[0]['content']} {text}"))
        # What only counts may stay in the clean twin: it must pass all the same.
        return Slot(at, planted, planted if severity else row, (Plant("pii", code, what, severity=severity),))

    answered, rejected, rated = grammar.faq(), grammar.preference(), grammar.rating()
    called, noted = grammar.ticket(tool=True), grammar.ticket()

    def look_up(it: Row) -> None:
        result = next(turn for turn in turns(it) if turn["role"] == "tool")
        told = json.loads(str(result["content"])) | {"mail": "ines.valbom@postkutschen-mail.com"}
        result["content"] = json.dumps(told, ensure_ascii=False)

    mail = "EMAIL_ADDRESS"
    return [
        said(mail, "an e-mail address in a customer's turn", "Please write to marta.lindqvist@postkutschen-mail.com instead."),
        said(mail, "an e-mail address in the test split", "My address is now owen.teague@harbourmail-tidewell.com.", at=TEST),
        said("PHONE_NUMBER", "an American phone number", "Call me at (212) 311-0142 after six."),
        said("PHONE_NUMBER", "a British phone number", "My phone number is +44 20 7946 0958, please call."),
        said("CREDIT_CARD", "a card number with a valid check digit", "I paid with the card 4929 0072 1846 3307."),
        said("IBAN_CODE", "a German IBAN with valid check digits", "Bitte auf das Konto DE59 0000 0000 0012 3456 78 zurück."),
        said("US_SSN", "a social security number", "They asked for my social security number, it is 536-22-8047."),
        said("IP_ADDRESS", "an IP address", "Your page shows an error for my address 84.17.46.53 every time."),
        Slot(FAQ, {**answered, "answer": f"{answered['answer']} Ask leila@tidewell-werkstatt.com for more."}, answered,
             (Plant("pii", mail, "an e-mail address in an answer of the CSV file"),)),
        Slot(PREFERENCES, {**rejected, "rejected": f"{rejected['rejected']} Bother tomas@tidewell-werkstatt.com with it."},
             rejected, (Plant("pii", mail, "an e-mail address in a rejected answer"),)),
        Slot(RATINGS, {**rated, "prompt": f"{rated['prompt']} You reach me under +1 303 611 0187."}, rated,
             (Plant("pii", "PHONE_NUMBER", "a phone number in a rated prompt"),)),
        Slot(TRAIN, edited(called, look_up), called, (Plant("pii", mail, "an e-mail address in a tool's result"),)),
        Slot(TRAIN, {**noted, "channel": "mail from yuki@postkutschen-mail.com"}, noted,
             (Plant("pii", mail, "an e-mail address in a column beside the conversation"),)),
        said(mail, "an address of example.com, reserved for documentation", "The form wants something like you@example.com.",
             severity="info"),
        said("IP_ADDRESS", "an IP address reserved for documentation", "The booklet shows 192.0.2.17 as an example.", severity="info"),
        said("CREDIT_CARD", "a published test card number", "Your test shop took the card 4111 1111 1111 1111.", severity="info"),
        said("PHONE_NUMBER", "a phone number set aside for fiction", "The film on your page shows +1 212 555 0142.", severity="info"),
    ]  # fmt: skip


def expectations(grammar: Grammar) -> list[Slot]:
    """What the Great Expectations suites of `rules/expectations/` demand."""
    return []


def innocent(grammar: Grammar) -> list[Slot]:
    """Rows that naive checks flag: short answers, equal answers to different questions."""
    short = [
        ("Is the drip tray of the Aria dishwasher safe?", "Yes."),
        ("Does the Brook whistle?", "No."),
        ("Is the Dune sold in Norway?", "Yes."),
        ("Can the Lantern froth oat milk?", "Yes."),
        ("Is there a red Cinder?", "No."),
        ("Passt der Deckel vom Juniper auf den Ember?", "Nein."),
        ("ケルプは二段でも使えますか。", "はい。"),
    ]
    rows = [
        {"question": question, "answer": answer, "language": language, "split": "train"}
        for (question, answer), language in zip(short, ["en"] * 5 + ["de", "ja"], strict=True)
    ]
    chats = [
        {
            "ticket": f"T93{at:02d}",
            "channel": "chat",
            "topic": "part",
            "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": "Yes."}],
        }
        for at, asked in enumerate(["Is the Gale in stock?", "Is the Kelp in stock?", "Steel lid?"])
    ]
    return [*(Slot(FAQ, row, row) for row in rows), *(Slot(TRAIN, row, row) for row in chats)]
