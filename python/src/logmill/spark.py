"""A job on a cluster of Spark: splits are planned here, and each is loaded by a task somewhere.

    from logmill import spark as logmill_spark
    rows = logmill_spark.load(spark, "/shared/app.toml")

Spark decides where and when. What counts is the checkpoint of each split in the destination, which moves in
the transaction of its rows: a task that is retried, a twin, an executor or a driver that dies changes
nothing. Wherever a task may run, logmill-loader is installed, and the job file (unless it is a `logmill.Job`)
and its files have the same names.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import logmill
from logmill._job import Job, JobOrPath
from logmill.errors import of_exit_code
from logmill.model import schema_of
from logmill.results import PlannedSplit

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import SparkSession

Tasks = Sequence[Sequence[PlannedSplit]]


@dataclass(frozen=True, kw_only=True)
class SplitRow:
    """What became of a split in the attempt that Spark took."""

    id: str
    source: str
    bytes: int
    exit_code: int
    outcome: str
    records: int
    inserted: int
    rejected: int
    seconds: float
    host: str
    error: str | None


def load(
    spark: SparkSession,
    job: JobOrPath,
    *,
    into: str | None = None,
    split_size: int | str = "256MiB",
    task_bytes: int = 2 << 30,
    env: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[SplitRow, ...]:
    """Load all of a job that is not loaded yet, and return a row for each split.

    A task takes splits that lie behind each other, about `task_bytes` of them. What running again can mend
    fails a task, which Spark tries again; set spark.task.maxFailures. Raises as `logmill.load` does, and
    Failed while a split is open. `options` are other arguments of `logmill.load`.
    """
    splits = logmill.plan(job, into=into, split_size=split_size, env=env).splits
    tasks = list(_grouped(splits, task_bytes))
    if not tasks:
        return ()
    load_one = partial(logmill.load, job=_portable(job), into=into, env=dict(env or {}), **(options or {}))
    kinds = {"int": "long", "float": "double"}
    schema = ", ".join(f"{field.name} {kinds.get(str(field.type), 'string')}" for field in fields(SplitRow))
    # A task for each group, whatever the cluster has for a default.
    frame = spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(partial(_run, tasks, load_one), schema)
    rows = tuple(SplitRow(**row.asDict()) for row in frame.collect())
    for row in rows:
        if row.error is not None:
            raise of_exit_code(row.exit_code, f"split {row.id} of {row.source}: {row.error}")
    # The engine may say what it likes.
    if left := logmill.plan(job, into=into, env=env).splits:
        raise of_exit_code(1, f"{len(left)} splits are open, as {left[0].id}; run it again to go on")
    return rows


def _grouped(splits: Sequence[PlannedSplit], most: int) -> Iterator[list[PlannedSplit]]:
    """Groups of splits that lie behind each other, each of about so many bytes."""
    group: list[PlannedSplit] = []
    for split in splits:
        if group and sum(other.bytes for other in group) + split.bytes > most:
            yield group
            group = []
        group.append(split)
    if group:
        yield group


def _portable(job: JobOrPath) -> JobOrPath:
    """A job as it means the same elsewhere, without classes that are not there."""
    if not isinstance(job, Job):
        return os.path.abspath(job)
    schema, is_strict = schema_of(job.model)
    record = {"mode": "strict" if is_strict else "lax", **job.more.get("record", {})}
    return replace(job, files=job.rooted_files(), model=schema, more={**job.more, "record": record})


def _run(
    tasks: Tasks, load_one: Callable[..., logmill.Load], batches: Iterable[pyarrow.RecordBatch]
) -> Iterator[pyarrow.RecordBatch]:
    """Load the splits of some tasks: what runs on an executor."""
    import pyarrow  # noqa: PLC0415 (on a cluster it comes with Spark)

    kinds = {"int": pyarrow.int64(), "float": pyarrow.float64()}
    types = [(field.name, kinds.get(str(field.type), pyarrow.string())) for field in fields(SplitRow)]
    for batch in batches:
        for task in batch.column(0).to_pylist():
            for split in tasks[task]:
                row = asdict(_row(split, load_one))
                yield pyarrow.RecordBatch.from_pylist([row], schema=pyarrow.schema(types))


def _row(split: PlannedSplit, load_one: Callable[..., logmill.Load]) -> SplitRow:
    error = loaded = None
    ended: logmill.Load | logmill.LogmillError
    try:
        ended = loaded = load_one(split=split.id)
    except (logmill.Refused, logmill.GivenUp) as refused:
        # Trying again would give the same.
        ended, error = refused, str(refused)
    return SplitRow(
        id=split.id,
        source=split.source,
        bytes=split.bytes,
        exit_code=ended.exit_code,
        outcome=ended.outcome,
        records=loaded.records if loaded else 0,
        inserted=loaded.inserted if loaded else 0,
        rejected=loaded.rejected if loaded else 0,
        seconds=loaded.seconds if loaded else 0.0,
        host=socket.gethostname(),
        error=error,
    )
