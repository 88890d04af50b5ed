"""Planted rows that can be read and make no sense as training data: who speaks when, tool calls, answers."""

from __future__ import annotations

from collections.abc import Callable

from grammar import Grammar, Row
from planting import FAQ, PREFERENCES, RATINGS, TRAIN, Plant, Slot, edited, turns


def structure(grammar: Grammar) -> list[Slot]:
    """One row for each thing that can be wrong with the structure of an example."""

    def broken(code: str, what: str, file: str, row: Row, edit: Callable[[Row], object]) -> Slot:
        return Slot(file, edited(row, edit), row, (Plant("structure", code, what),))

    def chat(code: str, what: str, edit: Callable[[Row], object], *, tool: bool = False) -> Slot:
        return broken(code, what, TRAIN, grammar.ticket(tool=tool, system=True), edit)

    swapped = grammar.ticket(system=True)
    return [
        Slot(
            TRAIN,
            edited(swapped, _swap),
            swapped,
            (
                Plant("structure", "repeated_user_turn", "the customer speaks twice in a row"),
                Plant("structure", "repeated_assistant_turn", "and so does the agent after that"),
            ),
        ),
        chat("empty_turn", "a customer's turn is blank", lambda row: turns(row)[3].update(content="  ")),
        chat("missing_field", "a conversation without a turn", lambda row: turns(row).clear()),
        chat(
            "system_not_first",
            "the system message stands second",
            lambda row: turns(row).insert(1, turns(row).pop(0)),
        ),
        chat(
            "several_system_turns",
            "a second system message in the middle",
            lambda row: turns(row).insert(2, {"role": "system", "content": "Answer in Danish from here on."}),
        ),
        chat(
            "starts_with_assistant",
            "the agent greets before the customer has spoken",
            lambda row: turns(row).insert(1, {"role": "assistant", "content": "Welcome to Tidewell!"}),
        ),
        chat("last_turn_not_assistant", "the customer has the last word", lambda row: _keep(row, 4)),
        chat("no_assistant_turn", "nobody answers the customer", lambda row: _keep(row, 2)),
        chat(
            "no_user_turn",
            "an answer without a question",
            lambda row: row.update(messages=[turns(row)[2]]),
        ),
        chat("unknown_role", "a role called `agent`", lambda row: turns(row)[2].update(role="agent")),
        chat(
            "tool_call_not_json",
            "the arguments of a tool call break off",
            lambda row: _call(row).update(arguments='{"order": '),
            tool=True,
        ),
        chat(
            "tool_call_without_name",
            "a tool call does not say which tool it means",
            lambda row: _call(row).pop("name"),
            tool=True,
        ),
        chat(
            "unknown_tool",
            "a tool is called that the example does not offer",
            lambda row: _call(row).update(name="cancel_order"),
            tool=True,
        ),
        chat(
            "tool_call_without_result",
            "a tool is called and nothing comes back",
            lambda row: turns(row).pop(_tool_turn(row)),
            tool=True,
        ),
        chat(
            "tool_result_without_call",
            "a tool answers though nobody called it",
            lambda row: turns(row).pop(_tool_turn(row) - 1),
            tool=True,
        ),
        chat(
            "tool_result_unanswered",
            "the customer speaks before the agent has used the tool's result",
            lambda row: turns(row).insert(_tool_turn(row) + 1, {"role": "user", "content": "Are you still there?"}),
            tool=True,
        ),
        chat("wrong_type", "the tools on offer break off", lambda row: row.update(tools='[{"type": '), tool=True),
        broken(
            "same_answers",
            "both answers are the same but for a space",
            PREFERENCES,
            grammar.preference(),
            lambda row: row.update(rejected=f" {row['chosen']}"),
        ),
        broken(
            "empty_answer",
            "the rejected answer is empty",
            PREFERENCES,
            grammar.preference(),
            lambda row: row.update(rejected=""),
        ),
        broken("empty_answer", "the answer is blank", FAQ, grammar.faq(), lambda row: row.update(answer=" ")),
        broken(
            "answer_equals_prompt",
            "the answer repeats the question",
            FAQ,
            grammar.faq(),
            lambda row: row.update(answer=str(row["question"]).replace(" ", "  ")),
        ),
        broken(
            "empty_answer",
            "an empty answer was rated",
            RATINGS,
            grammar.rating(),
            lambda row: row.update(completion=""),
        ),
    ]


def _swap(row: Row) -> None:
    turns(row)[2], turns(row)[3] = turns(row)[3], turns(row)[2]


def _keep(row: Row, count: int) -> None:
    del turns(row)[count:]


def _tool_turn(row: Row) -> int:
    return next(at for at, turn in enumerate(turns(row)) if turn["role"] == "tool")


def _call(row: Row) -> Row:
    calling = next(turn for turn in turns(row) if turn.get("tool_calls"))
    return calling["tool_calls"][0]["function"]  # type: ignore[index, no-any-return]
