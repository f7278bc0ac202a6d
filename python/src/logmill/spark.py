"""Load a job on a Spark cluster: the driver plans splits, and tasks load them.

    from logmill import spark as logmill_spark
    rows = logmill_spark.load(spark, "/shared/app.toml")

Spark decides where and when. Correctness depends on the checkpoint of each split in the destination, which
moves in the transaction of its rows: a retried task, a speculative twin, or a dead executor or driver changes
nothing. Every executor needs logmill-loader, and the same names for the job file (unless it is a
`logmill.Job`) and its files.
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
    """The result of a split in the attempt that Spark accepted."""

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
    """Load the rest of a job, and return a row for each split.

    A task takes consecutive splits, about `task_bytes` in total. Failures that a retry can fix fail the task,
    and Spark tries it again; set spark.task.maxFailures. Raises the exceptions of `logmill.load`, and Failed
    while a split is open. `options` are other arguments of `logmill.load`.
    """
    splits = logmill.plan(job, into=into, split_size=split_size, env=env).splits
    tasks = list(_grouped(splits, task_bytes))
    if not tasks:
        return ()
    load_one = partial(logmill.load, job=_portable(job), into=into, env=dict(env or {}), **(options or {}))
    kinds = {"int": "long", "float": "double"}
    schema = ", ".join(f"{field.name} {kinds.get(str(field.type), 'string')}" for field in fields(SplitRow))
    # One task per group, whatever the default of the cluster.
    frame = spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(partial(_run, tasks, load_one), schema)
    rows = tuple(SplitRow(**row.asDict()) for row in frame.collect())
    for row in rows:
        if row.error is not None:
            raise of_exit_code(row.exit_code, f"split {row.id} of {row.source}: {row.error}")
    # Whatever Spark reports, the destination decides.
    if left := logmill.plan(job, into=into, env=env).splits:
        raise of_exit_code(1, f"{len(left)} splits are open, as {left[0].id}; to resume, run it again")
    return rows


def _grouped(splits: Sequence[PlannedSplit], most: int) -> Iterator[list[PlannedSplit]]:
    """Group consecutive splits, each group with about this many bytes."""
    group: list[PlannedSplit] = []
    for split in splits:
        if group and sum(other.bytes for other in group) + split.bytes > most:
            yield group
            group = []
        group.append(split)
    if group:
        yield group


def _portable(job: JobOrPath) -> JobOrPath:
    """Return a job that means the same on other machines, without local classes."""
    if not isinstance(job, Job):
        return os.path.abspath(job)
    schema, is_strict = schema_of(job.model)
    record = {"mode": "strict" if is_strict else "lax", **job.more.get("record", {})}
    return replace(job, files=job.rooted_files(), model=schema, more={**job.more, "record": record})


def _run(
    tasks: Tasks, load_one: Callable[..., logmill.Load], batches: Iterable[pyarrow.RecordBatch]
) -> Iterator[pyarrow.RecordBatch]:
    """Load the splits of some tasks, on an executor."""
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
        # A retry would give the same result.
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
