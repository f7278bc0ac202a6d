"""What the objects of results.py are made of, and how JSON becomes one."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from logmill.results import DeadLetter

L = TypeVar("L", bound="Lettered")
T = TypeVar("T", bound="Read")


@dataclass(frozen=True)
class Read:
    """An object that is read from JSON. A field of a newer program is passed over."""

    @classmethod
    def read(cls: type[T], given: Mapping[str, Any]) -> T:
        """Make one of a JSON object."""
        kinds = _kinds(cast(Any, cls))
        known = {name: _value(kind, given[key]) for key, (name, kind) in kinds.items() if key in given}
        return cls(**known)


@functools.cache
def _kinds(cls: Any) -> dict[str, tuple[str, Any]]:
    hints = typing.get_type_hints(cls)
    # A field whose key is a word of Python has a line behind its name.
    return {field.name.rstrip("_"): (field.name, hints[field.name]) for field in fields(cls)}


def _value(kind: Any, given: Any) -> Any:
    """Read a value of the type `kind`."""
    if given is None:
        return None
    if typing.get_origin(kind) is types.UnionType:
        kind = next(branch for branch in typing.get_args(kind) if branch is not types.NoneType)
    if typing.get_origin(kind) is tuple:
        return tuple(_value(typing.get_args(kind)[0], item) for item in given)
    if isinstance(kind, type) and issubclass(kind, Read):
        return kind.read(given)
    return float(given) if kind is float else given


class Counted:
    """A report that counts what became of records."""

    counts: Any

    @property
    def records(self) -> int:
        """Records, however they ended."""
        return int(self.counts.records)

    @property
    def inserted(self) -> int:
        """Rows that were new."""
        return int(self.counts.inserted)

    @property
    def updated(self) -> int:
        """Rows that changed a row."""
        return int(self.counts.updated)

    @property
    def unchanged(self) -> int:
        """Rows that were there already."""
        return int(self.counts.unchanged)

    @property
    def rejected(self) -> int:
        """Records that did not become rows."""
        return int(self.counts.rejected)


class Lettered(Counted):
    """The same, where the records that were rejected can be looked at."""

    def with_letters(self: L, ask: Callable[[], tuple[DeadLetter, ...]]) -> L:
        """Remember how dead letters are asked for."""
        object.__setattr__(self, "_ask", functools.cache(ask))
        return self

    @property
    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """The open dead letters of the job, which are asked for when this is first read."""
        letters: tuple[DeadLetter, ...] = self.__dict__["_ask"]()
        return letters


class Rejecting:
    """A report that counts what would become of records."""

    counts: Any

    @property
    def records(self) -> int:
        """Records."""
        return int(self.counts.records)

    @property
    def valid(self) -> int:
        """Those that would become rows, or be refused by the destination."""
        return int(self.counts.valid)

    @property
    def rejected(self) -> int:
        """Those that would become dead letters."""
        return int(self.counts.rejected)


class Shown:
    """Progress, as a person reads it."""

    records: int
    rejected: int
    bytes: int
    bytes_total: int | None
    records_per_second: int
    eta_seconds: int | None
    waiting: str | None

    def __str__(self) -> str:
        share = f"{100 * self.bytes // self.bytes_total} %, " if self.bytes_total else ""
        left = f", {self.eta_seconds} s left" if self.eta_seconds is not None else ""
        rejected = f", {self.rejected:,} rejected" if self.rejected else ""
        waiting = f"; {self.waiting}" if self.waiting else ""
        return f"{share}{self.records:,} records, {self.records_per_second:,}/s{rejected}{left}{waiting}"
