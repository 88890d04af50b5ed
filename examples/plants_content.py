"""Planted personal data, texts outside the bounds of the suites, and rows that must not be flagged at all.

The personal data belongs to nobody: the phone numbers have central office codes that are never assigned (N11,
NANPA), the bank codes do not exist, and the domains were made up.
"""

from __future__ import annotations

import json
from dataclasses import replace

from grammar import Grammar, Row
from planting import FAQ, PREFERENCES, RATINGS, TEST, TRAIN, Plant, Slot, edited, turns


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
        said(
            mail,
            "an e-mail address in a customer's turn",
            "Please write to marta.lindqvist@postkutschen-mail.com instead.",
        ),
        said(
            mail,
            "an e-mail address in the test split",
            "My address is now owen.teague@harbourmail-tidewell.com.",
            at=TEST,
        ),
        said("PHONE_NUMBER", "an American phone number", "My phone number is (212) 311-0142, best after six."),
        said(
            "PHONE_NUMBER",
            "a British phone number set aside for drama",
            "The leaflet prints the number +44 20 7946 0958.",
            severity="info",
        ),
        said("CREDIT_CARD", "a card number with a valid check digit", "I paid with the card 4556 0021 8463 3077."),
        said(
            "IBAN_CODE",
            "a German IBAN with valid check digits",
            "Bitte auf das Konto DE52 0000 0000 0012 3456 78 zurück.",
        ),
        said("US_SSN", "a social security number", "They asked for my social security number, it is 536-22-8047."),
        said("IP_ADDRESS", "an IP address", "Your page shows an error for my address 84.17.46.53 every time."),
        Slot(
            FAQ,
            {**answered, "answer": f"{answered['answer']} Ask leila@tidewell-werkstatt.com for more."},
            answered,
            (Plant("pii", mail, "an e-mail address in an answer of the CSV file"),),
        ),
        Slot(
            PREFERENCES,
            {**rejected, "rejected": f"{rejected['rejected']} Bother tomas@tidewell-werkstatt.com with it."},
            rejected,
            (Plant("pii", mail, "an e-mail address in a rejected answer"),),
        ),
        Slot(
            RATINGS,
            {**rated, "prompt": f"{rated['prompt']} My phone number is +1 303 611 0187."},
            rated,
            (Plant("pii", "PHONE_NUMBER", "a phone number in a rated prompt"),),
        ),
        Slot(TRAIN, edited(called, look_up), called, (Plant("pii", mail, "an e-mail address in a tool's result"),)),
        Slot(
            TRAIN,
            {**noted, "channel": "mail from yuki@postkutschen-mail.com"},
            noted,
            (Plant("pii", mail, "an e-mail address in a column beside the conversation"),),
        ),
        said(
            mail,
            "an address of example.com, reserved for documentation",
            "The form wants something like you@example.com.",
            severity="info",
        ),
        said(
            "IP_ADDRESS",
            "an IP address reserved for documentation",
            "The booklet shows 192.0.2.17 as an example.",
            severity="info",
        ),
        said(
            "CREDIT_CARD",
            "a published test card number",
            "Your test shop took the card 4111 1111 1111 1111.",
            severity="info",
        ),
        said(
            "PHONE_NUMBER",
            "a phone number set aside for fiction",
            "The film on your page shows +1 212 555 0142.",
            severity="info",
        ),
    ]


def placeholders(grammar: Grammar) -> list[Slot]:
    """What a template leaves behind: a placeholder in an answer."""
    plant = Plant("quality", "placeholder", "the answer still holds `{{customer_name}}`")
    ticket, faq, preference = grammar.ticket(), grammar.faq(), grammar.preference()
    greeted = edited(
        ticket, lambda it: turns(it)[-1].update(content="Dear {{customer_name}}, " + str(turns(it)[-1]["content"]))
    )
    return [
        Slot(TRAIN, greeted, ticket, (plant,)),
        Slot(
            FAQ,
            {**faq, "answer": f"{faq['answer']} Yours, {{{{agent}}}}"},
            faq,
            (replace(plant, what="the answer still holds `{{agent}}`"),),
        ),
        Slot(
            PREFERENCES,
            {**preference, "chosen": f"Hi {{{{ customer_name }}}}! {preference['chosen']}"},
            preference,
            (plant,),
        ),
    ]


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
