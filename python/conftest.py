"""What the tests share: a folder each, and a database each.

They run on what is installed. LOGMILL_TEST_POSTGRES names a server, as a URL up to the name of the database.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping

import psycopg
import pytest

Write = Callable[..., str]
_names = itertools.count()


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Run in a folder of its own, without what a person has set."""
    for name in list(os.environ):
        if name.startswith("LOGMILL_") and name not in ("LOGMILL_BIN", "LOGMILL_TEST_POSTGRES"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def postgres() -> Iterator[str]:
    """Give the URL of a database of its own."""
    server = os.environ["LOGMILL_TEST_POSTGRES"]
    name = f"python_{next(_names)}"
    with psycopg.connect(server + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server + name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    """Give a function that writes records into a file of the folder."""

    def write(name: str, *records: Mapping[str, object] | str) -> str:
        lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return name

    return write
