"""Loads and what comes with them, on a real PostgreSQL."""

from __future__ import annotations

import datetime
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any, Literal

import psycopg
import pytest
from pydantic import BaseModel

import logmill
from conftest import Write


class LogEntry(BaseModel):
    timestamp: datetime.datetime
    severity: Literal["INFO", "WARN", "ERROR"]
    message: str


GOOD = {"timestamp": "2024-02-29T12:00:00Z", "severity": "INFO", "message": "a"}
BAD = {"timestamp": "x", "severity": "NONE", "message": 1}


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def job(url: str, files: str = "*.ndjson", **more: Any) -> logmill.Job:
    return logmill.Job(files=files, model=LogEntry, into=url, table="log_entries", **more)


# Makes a load wait at each of many batches.
SLOW = {
    "LOGMILL_BATCH_ROWS": "10",
    "LOGMILL_BATCH_BYTES": "4KiB",
    "LOGMILL_CHUNK_SIZE": "1KiB",
    "FAILPOINTS": "before-commit=sleep(50)",
}


def many(write: Write, count: int) -> None:
    write("a.ndjson", *({**GOOD, "message": f"message {number}"} for number in range(count)))


def test_a_model_is_loaded_and_what_is_rejected_can_be_looked_at(postgres: str, write: Write) -> None:
    write("a.ndjson", GOOD, BAD, {**GOOD, "message": "b"})
    seen: list[logmill.Progress] = []
    result = logmill.load(
        "*.ndjson", model=LogEntry, into=postgres, table="log_entries", key="content", on_progress=seen.append
    )
    assert (result.records, result.inserted, result.rejected) == (3, 2, 1)
    assert (result.outcome, result.exit_code, result.job) == ("rejects", 3, "log_entries")
    (letter,) = result.dead_letters
    assert (letter.line, letter.state, letter.offset) == (2, "open", len(json.dumps(GOOD)) + 1)
    assert {reason["field"] for reason in letter.reasons} == {"timestamp", "severity", "message"}
    assert seen[-1].ended
    assert seen[-1].records == 3
    assert "3 records" in str(seen[-1])
    loaded = rows(postgres, "SELECT message, timestamp FROM log_entries ORDER BY 1")
    assert loaded[0] == ("a", datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc))
    # A result does not change, and again nothing is loaded.
    with pytest.raises(AttributeError):
        result.seconds = 0.0  # type: ignore[misc]
    again = logmill.load("*.ndjson", model=LogEntry, into=postgres, table="log_entries", key="content")
    assert (again.records, again.sources.finished_before, again.open_dead_letters) == (0, 1, 1)


def test_a_job_is_seen_replayed_verified_and_differs_when_it_does(postgres: str, write: Write) -> None:
    write("a.ndjson", GOOD, BAD)
    described = job(postgres, name="described")
    assert logmill.plan(described).sources[0].action == "read"
    logmill.load(job=described)
    status = logmill.status(described, all_sources=True)
    assert (status.open_dead_letters, status.sources[0].complete, status.runs[0].command) == (1, True, "load")
    assert [reason.code for reason in status.reasons] != []
    assert logmill.dead_letters(described, code="missing").dead_letters == ()
    assert len(logmill.dead_letters(described, ids=[1]).dead_letters) == 1
    # By the rules of another model the record is good, and only what was refused is tried again.

    class Wider(LogEntry):
        timestamp: Any
        severity: str  # type: ignore[assignment]
        message: Any

    replayed = logmill.replay(
        logmill.Job(
            files="*.ndjson",
            model=LogEntry,
            into=postgres,
            table="log_entries",
            name="described",
            more={"record": {"fields": {"severity": "text"}}},
        ),
        dry_run=True,
    )
    assert (replayed.dry_run, replayed.counts.again_bad) == (True, 1)
    assert logmill.verify(described).differences == ()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("UPDATE log_entries SET message = 'changed'")
    with pytest.raises(logmill.Differs) as differs:
        logmill.verify(described)
    assert isinstance(differs.value.result, logmill.Verify)
    assert differs.value.result.differences[0].column == "message"
    assert (differs.value.exit_code, differs.value.result.outcome) == (5, differs.value.outcome)


def test_days_are_backfilled(postgres: str, write: Write) -> None:
    for day in ("2024-02-28", "2024-02-29"):
        write(f"{day}.ndjson", GOOD)
    described = job(postgres, "{date}.ndjson", more={"destination": {"columns": {"day": "{date}"}}})
    dry = logmill.backfill(described, found=True, dry_run=True)
    assert [date.state for date in dry.dates] == ["due", "due"]
    result = logmill.backfill(described, from_date=datetime.date(2024, 2, 28), to_date="2024-03-01")
    assert [(date.date, date.state) for date in result.dates] == [
        ("2024-02-28", "done"),
        ("2024-02-29", "done"),
    ]
    assert result.inserted == 2
    one = logmill.load(job=described, date=datetime.date(2024, 2, 29))
    assert one.sources.finished_before == 1
    assert rows(postgres, "SELECT count(DISTINCT day) FROM log_entries") == [(2,)]


def test_a_job_is_inferred_and_used(postgres: str, write: Write, tmp_path: pathlib.Path) -> None:
    file = write("app.ndjson", GOOD, GOOD)
    inferred = logmill.infer(file, out="app.toml", table="inferred")
    assert [field.name for field in inferred.inferred.fields] == list(GOOD)
    assert "inferred" in (tmp_path / "app.toml").read_text()
    assert logmill.load(job="app.toml", into=postgres).inserted == 2
    assert logmill.load([file], into=postgres, table="other").inserted == 2
    assert (tmp_path / "app.logmill.toml").exists()


def test_the_folder_that_a_job_is_described_in_is_no_pattern(
    postgres: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a[1] {date} $HOME $$ ü*"
    odd.mkdir()
    (odd / "a.ndjson").write_text(json.dumps(GOOD) + "\n")
    monkeypatch.chdir(odd)
    assert logmill.load(job=job(postgres)).inserted == 1


def test_every_exit_code_has_its_exception(postgres: str, write: Write) -> None:
    write("a.ndjson", GOOD, BAD)
    with pytest.raises(logmill.Refused, match="no_such_key") as refused:
        logmill.load(job=job(postgres, more={"source": {"no_such_key": 1}}))
    assert (refused.value.exit_code, refused.value.error_kind) == (2, "job")
    # What clap refuses has no JSON.
    with pytest.raises(logmill.Refused, match="date"):
        logmill.load(job=job(postgres), date="yesterday")
    with pytest.raises(logmill.Failed) as failed:
        logmill.load(job=job("postgresql://nobody@127.0.0.1:1/none"), retry_for="0s")
    assert failed.value.exit_code == 1
    with pytest.raises(logmill.GivenUp) as given_up:
        logmill.load(job=job(postgres, stop_above=0))
    assert isinstance(given_up.value.result, logmill.Load)
    assert given_up.value.result.sources.given_up[0].open_dead_letters == 1
    assert all(issubclass(kind, logmill.LogmillError) for kind in (logmill.Held, logmill.Interrupted))


def test_another_run_holds_it(postgres: str, write: Write) -> None:
    many(write, 1000)
    held: list[logmill.Held] = []

    def look(progress: logmill.Progress) -> None:
        if progress.records and not held:
            with pytest.raises(logmill.Held) as error:
                logmill.load(job=job(postgres), wait=datetime.timedelta(0))
            held.append(error.value)

    result = logmill.load(job=job(postgres), env=SLOW, on_progress=look)
    assert result.inserted == 1000
    assert held[0].exit_code == 6


def test_a_fault_of_on_progress_stops_the_load_cleanly(postgres: str, write: Write) -> None:
    many(write, 2000)

    def fail(progress: logmill.Progress) -> None:
        if progress.records:
            raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        logmill.load(job=job(postgres), env=SLOW, on_progress=fail)
    [(count,)] = rows(postgres, "SELECT count(*) FROM log_entries")
    assert 0 < count < 2000
    [(outcome,)] = rows(postgres, "SELECT outcome FROM logmill.runs")
    assert outcome == "interrupted"
    assert logmill.load(job=job(postgres)).inserted == 2000 - count


def test_a_command_can_be_asked_to_stop_from_elsewhere(postgres: str, write: Write) -> None:
    many(write, 2000)
    begun = threading.Event()

    def stop() -> None:
        begun.wait(60)
        assert logmill.interrupt() == 1

    thread = threading.Thread(target=stop)
    thread.start()

    def look(progress: logmill.Progress) -> None:
        if progress.records:
            begun.set()

    with pytest.raises(logmill.Interrupted, match="SIGTERM after a clean stop") as interrupted:
        logmill.load(job=job(postgres), env=SLOW, on_progress=look)
    thread.join()
    assert (interrupted.value.exit_code, interrupted.value.outcome) == (143, "interrupted")
    assert isinstance(interrupted.value.result, logmill.Load)
    assert 0 < interrupted.value.result.inserted < 2000


CTRL_C = """
    import signal, sys, logmill
    # A shell has what runs in its background ignore it, and that is handed down.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    schema = {"type": "object", "properties": {"message": {"type": "string"}}}
    job = logmill.Job(files="*.ndjson", model=schema, into=sys.argv[1], table="t")
    try:
        logmill.load(job=job, on_progress=lambda event: print(event.records, flush=True))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(42)
"""


def test_ctrl_c_ends_a_load_once_and_cleanly(postgres: str, write: Write) -> None:
    many(write, 2000)
    # A terminal sends it to all that is in front, which is what a group of its own stands for here.
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CTRL_C), postgres],
        env={**os.environ, **SLOW},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) > 0:
            break
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 42
    assert out.splitlines()[-1] == "interrupted"
    [(count,)] = rows(postgres, "SELECT count(*) FROM t")
    assert 0 < count < 2000
    # It ended by itself, and said so: a second signal would have ended it before.
    assert rows(postgres, "SELECT outcome, exit_code FROM logmill.runs") == [("interrupted", 130)]


def test_nothing_that_is_secret_is_on_the_command_line(
    postgres: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.ndjson", GOOD)
    typed: list[list[str]] = []
    begin = subprocess.Popen

    def popen(argv: list[str], *args: Any, **kwargs: Any) -> Any:
        typed.append(argv)
        return begin(argv, *args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(logmill.LogmillError) as error:
        logmill.load(job=job("postgresql://ada:hidden%40word@127.0.0.1:1/none"), retry_for="0s")
    assert "hidden" not in repr(typed) + str(error.value)
    assert "hidden" not in "".join(path.read_text() for path in pathlib.Path().glob("**/*.toml"))


def test_messages_go_to_the_log_and_leave_no_folder(
    postgres: str, write: Write, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = pathlib.Path("scratch")
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch.absolute()))
    monkeypatch.setattr("tempfile.tempdir", None)
    write("a.ndjson", GOOD)
    # What a person has set decides nothing of what we read.
    monkeypatch.setenv("LOGMILL_OUTPUT", "text")
    monkeypatch.setenv("LOGMILL_PROGRESS", "json")
    with caplog.at_level(logging.DEBUG, logger="logmill"):
        logmill.load(job=job(postgres), on_progress=lambda _: None)
    events = [record.__dict__["event"] for record in caplog.records if record.__dict__["event"]]
    assert {"run_started", "committed", "run_ended"} <= {event["kind"] for event in events}
    assert list(scratch.iterdir()) == []


def test_arguments_that_do_not_go_together_are_refused(write: Write) -> None:
    file = write("a.ndjson", GOOD)
    with pytest.raises(TypeError, match="into and table"):
        logmill.load(file, model=LogEntry)
    with pytest.raises(TypeError, match="belongs to a model"):
        logmill.load(file, job="a.toml", key="content")
    with pytest.raises(TypeError, match="its own model"):
        logmill.load(file, job="a.toml", model=LogEntry, into="sqlite:x.db", table="t")
    with pytest.raises(ValueError, match="stdin"):
        logmill.load("-", job="a.toml")


def test_a_failure_that_is_slow_is_waited_for(postgres: str, write: Write) -> None:
    """A reader that stands still holds up nothing but itself."""
    many(write, 300)
    result = logmill.load(job=job(postgres), env=SLOW, on_progress=lambda _: time.sleep(0.3))
    assert result.inserted == 300
