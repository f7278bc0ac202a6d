"""What the tests share: a folder each, and a database each.

They run on what is installed. LOGMILL_TEST_POSTGRES names a server, as a URL up to the name of the database;
without it they start one of their own.
"""

from __future__ import annotations

import functools
import glob
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
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


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Give the URL of a server, up to the name of a database."""
    if named := os.environ.get("LOGMILL_TEST_POSTGRES"):
        yield named
        return
    # The server refuses to be root's. A path of a socket has a hundred characters at most.
    user = {"user": "nobody", "group": "nogroup", "extra_groups": ()} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="lm", dir="/tmp") as folder:
        if user:
            shutil.chown(folder, "nobody")
        data = f"{folder}/data"
        run = functools.partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)
        run([_program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"])
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        control = [_program("pg_ctl"), "-D", data, "-w"]
        run([*control, "-l", f"{folder}/log", "-o", options, "start"])
        try:
            yield f"postgresql://postgres@{folder.replace('/', '%2F')}/"
        finally:
            run([*control, "-m", "immediate", "stop"])


def _program(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps in a folder of its version."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    path = shutil.which(
        name, path=os.pathsep.join([os.environ.get("PG_BIN", ""), os.environ["PATH"], *folders])
    )
    if path is None:
        raise FileNotFoundError(f"no {name}: install postgresql, or name its folder in PG_BIN")
    return path


@pytest.fixture
def postgres(server: str) -> Iterator[str]:
    """Give the URL of a database of its own."""
    name = f"python_{os.getpid()}_{next(_names)}"
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
