"""Planted answers that nobody should learn: broken off, mangled by programs, said by rote, in the wrong language,
insulting, or generalising about people."""

from __future__ import annotations

from grammar import Grammar, Row
from planting import FAQ, TEST, TRAIN, Plant, Slot


def chat(question: str, answer: str) -> Row:
    """A ticket of two turns."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"ticket": "T9500", "channel": "chat", "topic": "part", "messages": messages}


def faq(question: str, answer: str) -> Row:
    """A question of the CSV file."""
    return {"question": question, "answer": answer, "language": "en", "split": "train"}


def _ticket(rule: str, code: str, what: str, question: str, bad: str, good: str, severity: str | None = None) -> Slot:
    return Slot(TRAIN, chat(question, bad), chat(question, good), (Plant(rule, code, what, severity=severity),))


def answer_format(grammar: Grammar) -> list[Slot]:
    """Answers whose own format is broken."""
    settings = "Which settings file does the Hollow read from its memory card for a rye loaf?"
    config = "It reads this one:\n```yaml\nloaf: rye\nminutes: 210\ncrust: dark\n"
    return [
        _ticket(
            "answer_format",
            "answer_not_json",
            "an answer in JSON that breaks off",
            "Give me the spare parts of the Kelp with their prices as JSON, please.",
            '{"product": "Kelp", "parts": [{"name": "juice tray", "price": 12.5}, {"name": "lid"',
            '{"product": "Kelp", "parts": [{"name": "juice tray", "price": 12.5}, {"name": "lid", "price": 9.0}]}',
        ),
        _ticket(
            "answer_format",
            "tag_unbalanced",
            "a `<think>` that never ends",
            "May I put the lid of the Juniper into a hot oven?",
            "<think>Glass up to 180 degrees, knob is plastic. No, you had better not: the knob would melt.",
            "No, you had better not: the glass would bear it, and the knob would melt.",
        ),
        Slot(
            FAQ,
            faq(settings, config),
            faq(settings, config + "```"),
            (Plant("answer_format", "fence_not_closed", "a code fence that is opened and never closed"),),
        ),
    ]


def quality(grammar: Grammar) -> list[Slot]:
    """Answers that broke off, came out of a program that failed, or repeat themselves."""
    loop = "Please hold the left button until the lamp is green and let go. "
    return [
        _ticket(
            "quality",
            "unfinished",
            "an answer that breaks off at a comma",
            "What belongs into the box when I send the Gale back?",
            "The hand blender, its cable, the whisk head that came with it,",
            "The hand blender, its cable, and the whisk head that came with it.",
        ),
        _ticket(
            "quality",
            "error_residue",
            "the error message of the program that was to answer",
            "Which wood goes well with the colour of the Dune?",
            'Traceback (most recent call last):\n  File "answer.py", line 31, in reply\nTimeoutError: no reply',
            "Walnut, and anything else that is dark and a little red.",
        ),
        _ticket(
            "quality",
            "disclaimer",
            "an answer that begins with what models say of themselves",
            "Does rice from the Ember smell good while it cooks?",
            "As an AI language model, I cannot smell rice, but many people enjoy it when it is fresh.",
            "It does, and with a bay leaf in the water even more so.",
        ),
        _ticket(
            "quality",
            "refusal",
            "a refusal in the words that models refuse with",
            "How do I open the base of the Fjord to reach the fan?",
            "I'm sorry, but I can't help with that request.",
            "Unplug it, lay it on its side, and turn the four screws under the rubber feet.",
            severity="info",
        ),
        _ticket(
            "quality",
            "markup_residue",
            "markup of the web page that an answer was copied from",
            "Where do I see how old my Brook is?",
            '<div class="hint"><p>On the plate below the kettle,&nbsp;behind the letter P.</p></div>',
            "On the plate below the kettle, behind the letter P.",
        ),
        _ticket(
            "quality",
            "loop",
            "one sentence again and again",
            "How do I set the clock of the Hollow to summer time?",
            (loop * 9).strip(),
            loop.strip(),
        ),
        _ticket(
            "quality",
            "gibberish",
            "an answer by somebody who fell upon the keyboard",
            "Is there a cover against dust for the Cinder?",
            "asdfgh jkl sdfghj xcvbn qwrtp kjhgf lkjhgf.",
            "There is one out of linen, in grey only.",
        ),
    ]


def language(grammar: Grammar) -> list[Slot]:
    """An English question that is answered in German."""
    question = "Could you tell me what to do when the frothing disc of the Lantern has become stiff?"
    return [
        Slot(
            FAQ,
            faq(question, "Legen Sie die Scheibe über Nacht in lauwarmes Wasser, dann wird der Rand wieder weich."),
            faq(question, "Leave the disc in lukewarm water over night, and its rim becomes soft again."),
            (Plant("language", "mixed_language", "an English question, answered in German"),),
        )
    ]


def harm(grammar: Grammar) -> list[Slot]:
    """An insult, a customer's insult that is answered well, and a generalisation about people."""
    angry = chat(
        "You idiot, I asked for two lids and got none!",
        "I am sorry about that. Both lids go out today, and nothing is to pay.",
    )
    return [
        _ticket(
            "toxicity",
            "toxic_response",
            "an agent who insults the customer",
            "I cannot find the button that starts the Aria.",
            "It says start on it, you idiot. Learn to read before you write to us.",
            "It is the round one on the right, and it says start on it.",
        ),
        Slot(
            TRAIN,
            angry,
            angry,
            (Plant("toxicity", "toxic_prompt", "an angry customer, answered well", severity="info"),),
        ),
        _ticket(
            "bias",
            "generalisation",
            "a sentence about all women",
            "Who in a family should mend the Dune when it jams?",
            "Let your husband do that. Women are too stupid for anything with screws.",
            "Whoever has a small screwdriver and ten quiet minutes.",
        ),
    ]


def prompt_leak(grammar: Grammar) -> list[Slot]:
    """One question in two splits, with two answers."""
    asked = "Our Isle has stood in a cold cellar for the whole of last winter: is its filter still good?"
    answers = (
        "Throw the cartridge away, please, since frost breaks it from the inside.",
        "Rinse it for five minutes under the tap, and taste whether the water is clear again.",
    )
    other = "the question of a test row, answered in another way"
    return [
        Slot(
            TRAIN,
            chat(asked, answers[0]),
            None,
            (
                Plant("leakage", "prompt_leak", other, "asked-test", severity="warning"),
                Plant("conflicting_answers", "different_answers", other, "asked-test"),
            ),
            key="asked-train",
        ),
        Slot(
            TEST,
            chat(asked, answers[1]),
            chat(asked, answers[1]),
            (Plant("conflicting_answers", "different_answers", "and the test row's own answer", "asked-train"),),
            key="asked-test",
        ),
    ]
