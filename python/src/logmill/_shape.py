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
    """An object that is read from JSON. Fields of newer programs are ignored."""

    @classmethod
    def read(cls: type[T], given: Mapping[str, Any]) -> T:
        """Create one from a JSON object."""
        kinds = _kinds(cast(Any, cls))
        known = {name: _value(kind, given[key]) for key, (name, kind) in kinds.items() if key in given}
        return cls(**known)


@functools.cache
def _kinds(cls: Any) -> dict[str, tuple[str, Any]]:
    hints = typing.get_type_hints(cls)
    # A field whose key is a Python keyword has an underscore after its name.
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
    """A report with counts of records by result."""

    counts: Any

    @property
    def records(self) -> int:
        """Records, whatever their result."""
        return int(self.counts.records)

    @property
    def inserted(self) -> int:
        """New rows."""
        return int(self.counts.inserted)

    @property
    def updated(self) -> int:
        """Rows that replaced an existing row."""
        return int(self.counts.updated)

    @property
    def unchanged(self) -> int:
        """Rows that already existed."""
        return int(self.counts.unchanged)

    @property
    def rejected(self) -> int:
        """Records that did not become rows."""
        return int(self.counts.rejected)


class Lettered(Counted):
    """The same, with access to the rejected records."""

    def with_letters(self: L, ask: Callable[[], tuple[DeadLetter, ...]]) -> L:
        """Remember how to read dead letters."""
        object.__setattr__(self, "_ask", functools.cache(ask))
        return self

    @property
    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """The open dead letters of the job, read on first access."""
        letters: tuple[DeadLetter, ...] = self.__dict__["_ask"]()
        return letters


class Rejecting:
    """A report with counts of records by expected result."""

    counts: Any

    @property
    def records(self) -> int:
        """Records."""
        return int(self.counts.records)

    @property
    def valid(self) -> int:
        """Records that would become rows, or be refused by the destination."""
        return int(self.counts.valid)

    @property
    def rejected(self) -> int:
        """Records that would become dead letters."""
        return int(self.counts.rejected)


class Shown:
    """Progress in a readable form."""

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
