"""What the recipes of the manual have people type, typed."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import re
import subprocess

import psycopg

import logmill
from conftest import Write

RECIPES = (pathlib.Path(__file__).parent.parent.parent / "src/manual/recipes.md").read_text(encoding="utf-8")
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


def typed(line: str, **variables: str) -> subprocess.Popen[bytes]:
    """Run a line by a shell that finds the command on its path."""
    path = f"{pathlib.Path(logmill.find_logmill_bin()).parent}:{os.environ['PATH']}"
    return subprocess.Popen(["/bin/sh", "-c", line], env={**os.environ, "PATH": path, **variables})


def rows(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [n for (n,) in connection.execute("SELECT n FROM t ORDER BY n")]


def described(url: str, files: str, folder: pathlib.Path) -> str:
    """Write a job file for good."""
    chunks = {"pipeline": {"chunk_size": "1KiB"}}
    return logmill.Job(files=files, model=SCHEMA, into=url, table="t", more=chunks).write(str(folder))


def test_each_index_of_a_job_loads_its_split_and_a_twin_changes_nothing(
    postgres: str, write: Write, tmp_path: pathlib.Path
) -> None:
    (line,) = re.findall(r"^ +- (exec logmill load .*)$", RECIPES, flags=re.MULTILINE)
    write("a.ndjson", *({"n": n} for n in range(3000)))
    job = described(postgres, "*.ndjson", tmp_path)
    splits = [split.id for split in logmill.plan(job, into=postgres, split_size="4KiB").splits]
    assert len(splits) > 3
    (tmp_path / "splits").write_text("".join(f"{split}\n" for split in splits))
    variables = {"JOB": job, "SPLITS": str(tmp_path / "splits"), "LOGMILL_INTO": postgres}
    indexes = [*range(len(splits)), 0, 1]
    running = [typed(line, JOB_COMPLETION_INDEX=str(index), **variables) for index in indexes]
    assert [process.wait() for process in running] == [0] * len(indexes)
    assert rows(postgres) == list(range(3000))
    assert logmill.plan(job, into=postgres).splits == ()


def test_cron_loads_yesterday_and_what_is_missing(
    postgres: str, write: Write, tmp_path: pathlib.Path
) -> None:
    lines = re.findall(r"^[\d*]+ \d+ .{5}  (logmill .*)$", RECIPES, flags=re.MULTILINE)
    yesterday, missing = (line.replace(r"\%", "%") for line in lines)
    today = datetime.datetime.now(datetime.timezone.utc).date()
    write(f"{today - datetime.timedelta(days=1)}.ndjson", {"n": 1})
    write("2024-02-29.ndjson", {"n": 2})
    job = described(postgres, "{date}.ndjson", tmp_path)
    for line, expected in [(yesterday, [1]), (missing, [1, 2])]:
        assert typed(line.replace("/etc/logmill/app.toml", job), LOGMILL_INTO=postgres).wait() == 0
        assert rows(postgres) == expected


def test_a_check_in_a_pipeline_fails_by_a_record(write: Write) -> None:
    write("app.ndjson", {"n": 1})
    logmill.infer("app.ndjson", out="app.toml")
    (line,) = re.findall(r"run: (logmill check .*)$", RECIPES, flags=re.MULTILINE)
    pathlib.Path("fixtures").mkdir()
    for record, code in [({"n": 2}, 0), ({"n": "x"}, 3)]:
        pathlib.Path("fixtures/a.ndjson").write_text(json.dumps(record) + "\n")
        assert typed(line).wait() == code


def test_what_python_is_shown_to_type_is_python() -> None:
    page = (pathlib.Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page + RECIPES, flags=re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        compile(block, "page", "exec")
