"""All planted problems of the example data, in one list."""

from __future__ import annotations

from grammar import Grammar
from planting import Slot
from plants_alike import conflicting_answers, exact_duplicates, near_duplicates
from plants_answers import answer_format, harm, language, prompt_leak, quality
from plants_content import innocent, personal_data, placeholders
from plants_secrets import encoding, secrets
from plants_structure import structure
from plants_unreadable import malformed


def plants(grammar: Grammar) -> list[Slot]:
    """Every planted row with its clean side."""
    kinds = (
        malformed,
        structure,
        exact_duplicates,
        near_duplicates,
        conflicting_answers,
        personal_data,
        placeholders,
        secrets,
        encoding,
        answer_format,
        quality,
        language,
        harm,
        prompt_leak,
        innocent,
    )
    return [slot for kind in kinds for slot in kind(grammar)]
