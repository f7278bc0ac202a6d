"""Load years of logs into a database, every record exactly once.

These functions run the `logmill` command and return its report as a frozen object. They raise an exception if
it exits with anything other than 0 (everything is loaded) or 3 (some records were rejected). Nothing is
implemented twice, so the guarantees of the command apply here, too.

Messages go to the logger `logmill`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date as Date  # noqa: N812
from datetime import timedelta
from typing import Any

from logmill._find import find_logmill_bin
from logmill._job import Files, Job, JobOrPath, Model, Path, job_file, listed
from logmill._run import OnProgress, R, interrupt, run
from logmill.errors import (
    Differs,
    Failed,
    GivenUp,
    Held,
    Interrupted,
    LogmillError,
    Refused,
    UnsupportedModel,
)
from logmill.results import (
    Backfill,
    Check,
    DeadLetter,
    DeadLetters,
    Infer,
    Load,
    Plan,
    Progress,
    Replay,
    Report,
    Status,
    Verify,
)

__all__ = [
    "Backfill",
    "Check",
    "DeadLetter",
    "DeadLetters",
    "Differs",
    "Failed",
    "GivenUp",
    "Held",
    "Infer",
    "Interrupted",
    "Job",
    "Load",
    "LogmillError",
    "Plan",
    "Progress",
    "Refused",
    "Replay",
    "Report",
    "Status",
    "UnsupportedModel",
    "Verify",
    "backfill",
    "check",
    "dead_letters",
    "find_logmill_bin",
    "infer",
    "interrupt",
    "load",
    "plan",
    "replay",
    "status",
    "verify",
]

Day = Date | str
Flag = bool | int | float | str | Date | timedelta | Sequence[object] | None
Flags = Mapping[str, Flag]


def load(
    files: Files | None = None,
    *,
    job: JobOrPath | None = None,
    model: Model | None = None,
    into: str | None = None,
    table: str | None = None,
    key: str | Sequence[str] = "position",
    date: Day | None = None,
    on_progress: OnProgress | None = None,
    env: Mapping[str, str] | None = None,
    split: str | None = None,
    wait: timedelta | str | None = None,
    rebuild: bool = False,
    allow_missing: bool = False,
    allow_duplicates: bool = False,
    allow_rejects: bool = False,
    accept_new_rules: bool = False,
    take_over: bool = False,
    lanes: int | None = None,
    threads: int | None = None,
    stop_above: int | str | None = None,
    retry_for: timedelta | str | None = None,
    **more: Any,
) -> Load:
    """Load files into a destination, with a job, a model, or an inferred job.

    Loaded files are skipped, and partly loaded ones continue: to resume a load, call it again. A model needs
    `into` and `table`; `more` are other parameters of Job.
    """
    job, files = _chosen(files, job, model, into, table, key, more)
    table = None if isinstance(job, Job) else table
    loaded = _run(
        Load,
        "load",
        job,
        into,
        table,
        files=files,
        on_progress=on_progress,
        has_progress=True,
        env=env,
        flags={
            "date": date,
            "split": split,
            "wait": wait,
            "rebuild": rebuild,
            "allow_missing": allow_missing,
            "allow_duplicates": allow_duplicates,
            "allow_rejects": allow_rejects,
            "accept_new_rules": accept_new_rules,
            "take_over": take_over,
            "lanes": lanes,
            "threads": threads,
            "stop_above": stop_above,
            "retry_for": retry_for,
        },
    )
    return loaded.with_letters(
        lambda: dead_letters(job or loaded.job_file, into=into, table=table, env=env).dead_letters
    )


def backfill(
    job: JobOrPath,
    *,
    from_date: Day | None = None,
    to_date: Day | None = None,
    found: bool = False,
    into: str | None = None,
    on_progress: OnProgress | None = None,
    env: Mapping[str, str] | None = None,
    parallel: int | None = None,
    dry_run: bool = False,
    fail_fast: bool = False,
    rebuild: bool = False,
    allow_missing: bool = False,
    allow_duplicates: bool = False,
    allow_rejects: bool = False,
    accept_new_rules: bool = False,
    take_over: bool = False,
    stop_above: int | str | None = None,
) -> Backfill:
    """Load a job for the days from `from_date` to `to_date` (exclusive), or for the days in file names."""
    return _run(
        Backfill,
        "backfill",
        job,
        into,
        on_progress=on_progress,
        has_progress=True,
        env=env,
        flags={
            "found": found,
            "parallel": parallel,
            "dry_run": dry_run,
            "fail_fast": fail_fast,
            "rebuild": rebuild,
            "allow_missing": allow_missing,
            "allow_duplicates": allow_duplicates,
            "allow_rejects": allow_rejects,
            "accept_new_rules": accept_new_rules,
            "take_over": take_over,
            "stop_above": stop_above,
            "from": from_date,
            "to": to_date,
        },
    )


def check(
    files: Files | None = None,
    *,
    job: JobOrPath | None = None,
    model: Model | None = None,
    date: Day | None = None,
    verdicts: Path | None = None,
    on_progress: OnProgress | None = None,
    env: Mapping[str, str] | None = None,
    threads: int | None = None,
    **more: Any,
) -> Check:
    """Parse and validate files. Write nothing, except one line per record to `verdicts` if given."""
    job, files = _chosen(files, job, model, "sqlite:logmill.db", "checked", "position", more)
    return _run(
        Check,
        "check",
        job,
        None,
        files=files,
        on_progress=on_progress,
        has_progress=True,
        env=env,
        flags={
            "date": date,
            "verdicts": None if verdicts is None else os.fspath(verdicts),
            "threads": threads,
        },
    )


def infer(
    files: Files,
    *,
    out: Path | None = None,
    into: str | None = None,
    table: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Infer:
    """Write a job file inferred from files. It contains `into`, so do not put a password there."""
    out = None if out is None else os.fspath(out)
    return _run(Infer, "infer", None, into, table, files=listed(files), env=env, flags={"out": out})


def plan(
    job: JobOrPath,
    files: Files | None = None,
    *,
    into: str | None = None,
    date: Day | None = None,
    split_size: int | str | None = None,
    env: Mapping[str, str] | None = None,
) -> Plan:
    """Report what a load would do. With `split_size`, cut files into splits and record them."""
    flags: Flags = {"date": date, "split_size": split_size}
    return _run(Plan, "plan", job, into, files=_given(files), env=env, flags=flags)


def status(
    job: JobOrPath,
    *,
    into: str | None = None,
    all_sources: bool = False,
    env: Mapping[str, str] | None = None,
) -> Status:
    """Report the state of a job. Writes nothing and takes no locks."""
    return _run(Status, "status", job, into, env=env, flags={"all": all_sources})


def dead_letters(
    job: JobOrPath,
    *,
    into: str | None = None,
    table: str | None = None,
    code: str | None = None,
    field: str | None = None,
    source: str | None = None,
    since: str | None = None,
    ids: Sequence[int] = (),
    state: str = "open",
    limit: int = 0,
    env: Mapping[str, str] | None = None,
) -> DeadLetters:
    """List records that did not become rows, with every reason; all of them unless a limit is given."""
    return _run(
        DeadLetters,
        "dead-letters list",
        job,
        into,
        table,
        env=env,
        flags={
            "code": code,
            "field": field,
            "source": source,
            "since": since,
            "id": ids,
            "state": state,
            "limit": limit,
        },
    )


def replay(
    job: JobOrPath,
    *,
    into: str | None = None,
    code: str | None = None,
    field: str | None = None,
    source: str | None = None,
    since: str | None = None,
    ids: Sequence[int] = (),
    mended: Path | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
    env: Mapping[str, str] | None = None,
) -> Replay:
    """Try open dead letters again by the current rules, or with the mended records of a file."""
    return _run(
        Replay,
        "dead-letters replay",
        job,
        into,
        on_progress=on_progress,
        has_progress=True,
        env=env,
        flags={
            "code": code,
            "field": field,
            "source": source,
            "since": since,
            "id": ids,
            "overwrite": overwrite,
            "dry_run": dry_run,
            "from": None if mended is None else os.fspath(mended),
        },
    )


def verify(
    job: JobOrPath,
    files: Files | None = None,
    *,
    into: str | None = None,
    date: Day | None = None,
    strict: bool = False,
    on_progress: OnProgress | None = None,
    env: Mapping[str, str] | None = None,
    threads: int | None = None,
) -> Verify:
    """Compare the destination with the files, and raise Differs if there is a difference."""
    return _run(
        Verify,
        "verify",
        job,
        into,
        files=_given(files),
        on_progress=on_progress,
        has_progress=True,
        env=env,
        flags={
            "date": date,
            "strict": strict,
            "threads": threads,
        },
    )


def _given(files: Files | None) -> Sequence[str]:
    return () if files is None else listed(files)


def _chosen(
    files: Files | None,
    job: JobOrPath | None,
    model: Model | None,
    into: str | None,
    table: str | None,
    key: str | Sequence[str],
    more: Mapping[str, Any],
) -> tuple[JobOrPath | None, Sequence[str]]:
    """Return the selected job, and the files that replace its own."""
    if model is None:
        if more or key != "position":
            raise TypeError(f"{', '.join(more) or 'key'} belongs to a model, or into a Job")
        return job, _given(files)
    if job is not None:
        raise TypeError("a job has its own model; give one of both")
    if files is None or into is None or table is None:
        raise TypeError("with a model, files, into and table are needed")
    return Job(files=files, model=model, into=into, table=table, key=key, **more), ()


def _run(
    kind: type[R],
    command: str,
    job: JobOrPath | None,
    into: str | None,
    table: str | None = None,
    *,
    files: Sequence[str] = (),
    env: Mapping[str, str] | None,
    on_progress: OnProgress | None = None,
    has_progress: bool = False,
    flags: Flags,
) -> R:
    """Run a command, optionally for a job, with flags by name."""
    arguments: list[str] = []
    for name, value in {"table": table, **flags}.items():
        arguments += _flag(name, value)
    watched: dict[str, Any] = {"on_progress": on_progress, "has_progress": has_progress}
    if job is None:
        variables = {} if into is None else {"LOGMILL_INTO": into}
        return run(
            kind, command, [*arguments, "--", *files], variables={**(env or {}), **variables}, **watched
        )
    with job_file(job, into) as (path, variables):
        arguments.append(f"--job={path}")
        if files:
            arguments += ["--", *files]
        return run(kind, command, arguments, variables={**(env or {}), **variables}, **watched)


def _flag(name: str, value: Flag) -> list[str]:
    """Return a flag in its command-line form."""
    flag = "--" + name.replace("_", "-")
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if isinstance(value, timedelta):
        value = f"{round(value.total_seconds() * 1000)}ms"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [f"{flag}={','.join(map(str, value))}"] if value else []
    return [f"{flag}={value}"]
