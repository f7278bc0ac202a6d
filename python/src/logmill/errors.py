"""Exit codes as exceptions, with the words that the reports have for them."""

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
        """What the shell would have been told."""
        self.error_kind = error_kind
        """The word for the kind of error, where it was one."""
        self.result = result
        """What the command had to tell all the same."""


class Failed(LogmillError):
    """It failed. Nothing is lost; running again goes on."""

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
    """The destination is not what the files say."""

    exit_codes = (5,)
    outcome = "differs"


class Held(LogmillError):
    """Another run holds this, or took it over."""

    exit_codes = (6,)
    outcome = "held"


class Interrupted(LogmillError):
    """A signal ended it, after a clean stop. Running again goes on."""

    exit_codes = (130, 143)
    outcome = "interrupted"


class UnsupportedModel(TypeError):
    """A model asks for what logmill does not enforce. All such places are told at once."""

    def __init__(self, model: str, faults: list[str]):
        if len(faults) == 1:
            super().__init__(f"{model}: {faults[0]}")
        else:
            lines = "".join(f"\n  - {fault}" for fault in faults)
            super().__init__(f"{model}: {len(faults)} things cannot be enforced:{lines}")
        self.faults = faults
        """What cannot be enforced, each with its place."""


def of_exit_code(
    code: int, message: str, *, error_kind: str | None = None, result: Report | None = None
) -> LogmillError:
    """Return the exception for an exit code. One of no known meaning, as of a crash, is a failure."""
    kinds: list[type[LogmillError]] = [Refused, GivenUp, Differs, Held, Interrupted]
    kind = next((kind for kind in kinds if code in kind.exit_codes), Failed)
    return kind(message, exit_code=code, error_kind=error_kind, result=result)
