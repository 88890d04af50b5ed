"""The texts on which a form is compared with its candidate: the same twenty for everybody, of many kinds.

A mistake in a conversion (heads in another order, a bias left out, positions off by one) shows on any text; rare
tokens, digits, code, other scripts and long words reach more of the vocabulary than a task's own prompts do.
"""

from __future__ import annotations

PROMPTS: tuple[str, ...] = (
    "What is 17 plus 25?",
    "What is the capital of Norway?",
    "The opposite of early is",
    "Please summarise the following ticket in one sentence: my order arrived late and the box was open.",
    "Dear customer, thank you for your patience. We have looked into the matter and found that",
    "def mean(values: list[float]) -> float:\n    return sum(values) /",
    "SELECT name, count(*) FROM orders WHERE paid IS NULL GROUP BY",
    '{"id": 4711, "status": "open", "tags": ["billing", "urgent"], "total": 12.50}',
    "Die Lieferung kommt am Donnerstag, spätestens aber am",
    "Le train de nuit part de la gare à vingt-deux heures et",
    "El perro del vecino no ladra cuando",
    "我们明天上午九点在车站见面。",
    "お問い合わせありがとうございます。",
    "Сегодня вечером будет дождь, поэтому",
    "مرحبا، كيف يمكنني مساعدتك؟",
    "Prices: 1,299.00 USD; 0.5 % off from 10 pieces; call +1 555 0100.",
    "The lighthouse keeper climbed the stairs every evening, lit the lamp, wrote the weather in his book, and",
    "antidisestablishmentarianism counterrevolutionaries uncharacteristically",
    "- [ ] first\n- [x] second\n\n\t1.  third\n",
    "Step 1: boil water 🫖. Step 2: add tea 🍵 and wait 3–4 min. Step 3:",
)
