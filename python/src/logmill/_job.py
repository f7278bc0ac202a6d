"""A job described in Python, and the file and variables that pass it to the command."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Path: TypeAlias = str | os.PathLike[str]
Files: TypeAlias = Path | Sequence[Path]
Model: TypeAlias = type[Any] | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """The contents of a job file. Omitted parameters have the defaults of the manual.

    The job is named after the table unless a name is given; logmill remembers loaded files under this name.
    """

    files: Files
    """Files, folders, patterns or URLs. `{date}` in them stands for the data date."""
    model: Model
    """A Pydantic model, a dataclass, a TypedDict, or a JSON Schema."""
    into: str = field(repr=False)
    """The destination. It is passed in the environment, so its password stays hidden."""
    table: str
    """The table."""
    key: str | Sequence[str] = "position"
    """What identifies a row: `position`, `content`, `none`, or the names of fields."""
    on_conflict: str | None = None
    """`update`, `keep` or `newest(field)`."""
    format: str = "ndjson"
    """The format of records."""
    name: str | None = None
    """The name of the job."""
    time: str | None = None
    """The field with the time of a record."""
    stop_above: int | str | None = None
    """The limit of dead letters per source: a count, or a share such as `5%`."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Other keys, structured as in a job file: `{"source": {"timezone": "Europe/Berlin"}}`."""

    def rooted_files(self) -> list[str]:
        """Return file names that mean the same in another folder. The current folder is not a pattern."""
        here = glob.escape(os.getcwd()).replace("{", "[{]")
        is_rooted = re.compile(r"/|\w+://").match
        return [file if is_rooted(file) else os.path.join(here, file) for file in listed(self.files)]

    def tables(self) -> dict[str, Any]:
        """Return the job as the tables of a job file, without its schema and its destination."""
        # A dollar sign would begin an environment variable.
        files = [file.replace("$", "$$") for file in self.rooted_files()]
        source = {"files": files, "format": self.format}
        target: dict[str, Any] = {"table": self.table, "key": _key(self.key)}
        made: dict[str, Any] = {
            "name": self.name or self.table,
            "source": source,
            "record": {} if self.time is None else {"time": self.time},
            "destination": target
            if self.on_conflict is None
            else {**target, "on_conflict": self.on_conflict},
        }
        if self.stop_above is not None:
            made["dead_letters"] = {"stop_above": self.stop_above}
        for table, keys in self.more.items():
            made[table] = {**made.get(table, {}), **keys} if isinstance(keys, Mapping) else keys
        return made

    def write(self, folder: str) -> str:
        """Write the job file and its schema into a folder, and return its path."""
        from logmill.model import schema_of  # noqa: PLC0415 (it may need Pydantic)

        schema, is_strict = schema_of(self.model)
        tables = self.tables()
        with open(os.path.join(folder, "record.schema.json"), "w", encoding="utf-8") as file:
            json.dump(schema, file)
        tables["record"] = {
            "mode": "strict" if is_strict else "lax",
            "schema": "record.schema.json",
            **tables["record"],
        }
        path = os.path.join(folder, "job.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(toml(tables))
        return path


JobOrPath: TypeAlias = Job | Path


@contextlib.contextmanager
def job_file(job: JobOrPath | None, into: str | None) -> Iterator[tuple[str | None, dict[str, str]]]:
    """Provide the path of a job file, if there is a job, and its environment variables."""
    into = into or (job.into if isinstance(job, Job) else None)
    variables = {} if into is None else {"LOGMILL_INTO": into}
    if not isinstance(job, Job):
        yield None if job is None else os.fspath(job), variables
        return
    # Only the current user can read such a folder.
    with tempfile.TemporaryDirectory(prefix="logmill-") as folder:
        yield job.write(folder), variables


def listed(files: Files) -> list[str]:
    listed = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    if "-" in listed:
        raise ValueError("stdin belongs to the calling process; name a file instead of '-'")
    return [os.fspath(file) for file in listed]


def _key(key: str | Sequence[str]) -> str | list[str]:
    return key if isinstance(key, str) else list(key)


def toml(tables: Mapping[str, Any]) -> str:
    """Write tables as TOML. Every table is written inline, which works at any depth."""
    return "".join(f"{_text(key)} = {_toml(value)}\n" for key, value in tables.items())


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    raise TypeError(f"a job cannot hold {value!r}")


def _text(text: str) -> str:
    """Quote a text. JSON strings are valid in TOML, except for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
