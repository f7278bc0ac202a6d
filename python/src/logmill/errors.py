"""Exit codes as exceptions, with the outcomes of the reports."""

from __future__ import annotations

from typing import ClassVar

from logmill.results import Report


class LogmillError(Exception):
    """A command ended with an exit code that is neither 0 nor 3."""

    exit_codes: ClassVar[tuple[int, ...]] = ()
    outcome: ClassVar[str] = ""

    def __init__(self, message: str, *, exit_code: int, error_kind: str | None, result: Report | None):
        super().__init__(message)
        self.exit_code = exit_code
        """The exit code."""
        self.error_kind = error_kind
        """The kind of the error, if there was one."""
        self.result = result
        """The report of the command, if there was one."""


class Failed(LogmillError):
    """It failed, and nothing is lost. To resume, run it again."""

    exit_codes = (1,)
    outcome = "failed"


class Refused(LogmillError):
    """The arguments or the job are wrong. Nothing was touched."""

    exit_codes = (2,)
    outcome = "refused"


class GivenUp(LogmillError):
    """A source was given up, because it had too many dead letters. The others were loaded."""

    exit_codes = (4,)
    outcome = "given_up"


class Differs(LogmillError):
    """The destination differs from the files."""

    exit_codes = (5,)
    outcome = "differs"


class Held(LogmillError):
    """Another run holds this, or took it over."""

    exit_codes = (6,)
    outcome = "held"


class Interrupted(LogmillError):
    """A signal ended it, after a clean stop. Run it again to resume."""

    exit_codes = (130, 143)
    outcome = "interrupted"


class UnsupportedModel(TypeError):
    """A model has rules that logmill does not enforce. The message lists all of them."""

    def __init__(self, model: str, faults: list[str]):
        if len(faults) == 1:
            super().__init__(f"{model}: {faults[0]}")
        else:
            lines = "".join(f"\n  - {fault}" for fault in faults)
            super().__init__(f"{model}: {len(faults)} things cannot be enforced:{lines}")
        self.faults = faults
        """The rules that cannot be enforced, each with its place."""


def of_exit_code(
    code: int, message: str, *, error_kind: str | None = None, result: Report | None = None
) -> LogmillError:
    """Return the exception for an exit code. An unknown one, such as that of a crash, is a failure."""
    kinds: list[type[LogmillError]] = [Refused, GivenUp, Differs, Held, Interrupted]
    kind = next((kind for kind in kinds if code in kind.exit_codes), Failed)
    return kind(message, exit_code=code, error_kind=error_kind, result=result)
