"""A job as Python describes it, and the file and variables by which the command is told of it."""

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
    """What a job file would say. What is not given is as the manual has it.

    Its name is that of the table unless one is given: what was loaded is remembered under it.
    """

    files: Files
    """Files, folders, patterns or URLs. `{date}` in them stands for the data date."""
    model: Model
    """A model of Pydantic, a dataclass, a TypedDict, or a JSON Schema."""
    into: str = field(repr=False)
    """The destination. It is handed over by the environment, so that no password can be seen."""
    table: str
    """The table."""
    key: str | Sequence[str] = "position"
    """What a row is known by: `position`, `content`, `none`, or the names of fields."""
    on_conflict: str | None = None
    """`update`, `keep` or `newest(field)`."""
    format: str = "ndjson"
    """How a record is written."""
    name: str | None = None
    """The name of the job."""
    time: str | None = None
    """The field that says when a record happened."""
    stop_above: int | str | None = None
    """How many dead letters of a source are too many: a count, or a share as in `5%`."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Other keys, as they stand in a job file: `{"source": {"timezone": "Europe/Berlin"}}`."""

    def rooted_files(self) -> list[str]:
        """The files by names that mean the same in another folder. The one we are in is no pattern."""
        here = glob.escape(os.getcwd()).replace("{", "[{]")
        is_rooted = re.compile(r"/|\w+://").match
        return [file if is_rooted(file) else os.path.join(here, file) for file in listed(self.files)]

    def tables(self) -> dict[str, Any]:
        """The job as the tables of a job file, but for its schema and its destination."""
        # A dollar would ask for a variable of the environment.
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
    """Give the path of a job file, if there is a job, and the variables that belong to it."""
    into = into or (job.into if isinstance(job, Job) else None)
    variables = {} if into is None else {"LOGMILL_INTO": into}
    if not isinstance(job, Job):
        yield None if job is None else os.fspath(job), variables
        return
    # Nobody else may read such a folder.
    with tempfile.TemporaryDirectory(prefix="logmill-") as folder:
        yield job.write(folder), variables


def listed(files: Files) -> list[str]:
    listed = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    if "-" in listed:
        raise ValueError("stdin belongs to the process that calls; name a file in the place of '-'")
    return [os.fspath(file) for file in listed]


def _key(key: str | Sequence[str]) -> str | list[str]:
    return key if isinstance(key, str) else list(key)


def toml(tables: Mapping[str, Any]) -> str:
    """Write tables as TOML. Every table is written in line, which is one way for all depths."""
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
    """Quote a text. The strings of JSON are those of TOML, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
