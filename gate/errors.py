"""The errors that a person can mend, printed without a traceback.

Every message says what happened, where (file, row, key) and what to do next. Anything that is not a
`GateError` is a bug of gate's and keeps its traceback.
"""

from __future__ import annotations


class GateError(Exception):
    """Nothing was judged: the arguments, the policy or the surroundings have to be mended first.

    Args:
        what: what happened, one sentence without a full stop.
        where: the file, row, line or key it happened at, when there is one.
        remedy: what to do next.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what, self.where, self.remedy = what, where, remedy
        parts = (f"{where}: {what}" if where else what, remedy)
        super().__init__("\n  ".join(part for part in parts if part))


class UsageError(GateError):
    """A flag, an argument or a name that does not exist."""


class InputError(GateError):
    """A path that cannot be judged at all: absent, unreadable, or nothing that is a dataset."""


class PolicyError(GateError):
    """A policy, suite or setting that does not say something gate can do (file, line, key)."""


class MissingDependency(GateError):
    """An optional package or model that the policy asks for and that is not installed."""
