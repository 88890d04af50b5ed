"""What can be wrong with the structure of an example: the codes of the `structure` check, each with its meaning.

Which of them are conventions and not defects was decided by what published datasets and the chat templates of
models do: a conversation may end with a tool call, a tool may return nothing, one assistant turn may hold
several calls, a system message may be the whole prompt.
"""

from __future__ import annotations

from enum import StrEnum


class Problem(StrEnum):
    """A stable code; `meaning` says in one sentence what it stands for."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Problem:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    EMPTY_CONVERSATION = "empty_conversation", "The conversation has no turn at all."
    EMPTY_TURN = "empty_turn", "A turn says nothing and calls no tool."
    EMPTY_SYSTEM_TURN = "empty_system_turn", "The system message is empty; it counts, and never blocks."
    EMPTY_ANSWER = "empty_answer", "The answer to be learnt is empty."
    EMPTY_TEXT = "empty_text", "The text has no visible character."
    ANSWER_EQUALS_PROMPT = "answer_equals_prompt", "The answer repeats its prompt, white space aside."
    SAME_ANSWERS = "same_answers", "Chosen and rejected answer are the same, white space aside."
    ANSWER_NOT_ASSISTANT = "answer_not_assistant", "A chosen or rejected answer does not end with the assistant."
    LABEL_MISSING = "label_missing", "A feedback example has no label."
    UNKNOWN_ROLE = "unknown_role", "A turn's role is not system, user, assistant or tool."
    NO_USER_TURN = "no_user_turn", "Nothing is asked: there is neither a user turn nor a system message."
    NO_ASSISTANT_TURN = "no_assistant_turn", "Nothing is answered: there is no assistant turn."
    STARTS_WITH_ASSISTANT = "starts_with_assistant", "The assistant speaks before the user does."
    REPEATED_USER_TURN = "repeated_user_turn", "Two user turns follow each other."
    REPEATED_ASSISTANT_TURN = (
        "repeated_assistant_turn",
        "Two assistant turns follow each other, and neither calls a tool.",
    )
    SYSTEM_NOT_FIRST = "system_not_first", "The system message is not the first turn."
    SEVERAL_SYSTEM_TURNS = "several_system_turns", "There is more than one system message."
    LAST_TURN_NOT_ASSISTANT = "last_turn_not_assistant", "The conversation does not end with the assistant."
    TOOL_RESULT_UNANSWERED = "tool_result_unanswered", "The user speaks straight after a tool result."
    TOOL_RESULT_WITHOUT_CALL = "tool_result_without_call", "A tool answers although nothing called it."
    TOOL_CALL_WITHOUT_RESULT = (
        "tool_call_without_result",
        "A tool call has no result although the conversation goes on.",
    )
    TOOL_CALL_NOT_JSON = "tool_call_not_json", "A tool call, or its arguments, are not JSON."
    TOOL_CALL_WITHOUT_NAME = "tool_call_without_name", "A tool call does not say which tool it calls."
    UNKNOWN_TOOL = "unknown_tool", "A tool call names a tool that the example does not offer."
    TOOLS_NOT_JSON = "tools_not_json", "The tools that the example offers are not JSON."
