"""An operator for Airflow: one run loads one data date, which is the partition.

    load = LogmillOperator(task_id="load", job="/etc/logmill/app.toml", conn_id="logs")

Airflow decides when to run, the destination what is loaded: running a task again loads what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseHook, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

import logmill
from logmill._job import JobOrPath

if TYPE_CHECKING:
    from airflow.sdk import Context


class LogmillOperator(BaseOperator):
    """Loads a job for the data date of the run.

    Exit codes determine the state of the task. Failures that a retry can fix (1, 6, a signal) are retried
    according to `retries`; failures that need a person (2, 4) fail the task for good. Rejected records (3)
    are a success, unless `fail_on_rejects` is set.

    :param job: a job file, or a `logmill.Job`
    :param date: the data date, which is the day of the run's logical date unless given (templated)
    :param conn_id: an Airflow connection that replaces the job's destination
    :param rebuild: whether to rebuild the date, which replaces its rows
    :param fail_on_rejects: whether a rejected record fails the task, for good
    :param env: further environment variables, such as PGSSLROOTCERT (templated)
    :param options: other arguments of `logmill.load`
    """

    # A `Job` is not a string, so no rendered field contains its destination.
    template_fields: Sequence[str] = ("job", "date", "env")
    template_ext: Sequence[str] = ()
    ui_color = "#e8e0d0"

    def __init__(
        self,
        *,
        job: JobOrPath,
        date: str = "{{ ds }}",
        conn_id: str | None = None,
        rebuild: bool = False,
        fail_on_rejects: bool = False,
        env: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.job = job
        self.date = date
        self.conn_id = conn_id
        self.rebuild = rebuild
        self.fail_on_rejects = fail_on_rejects
        self.env = env
        self.options = dict(options or {})

    def execute(self, context: Context) -> dict[str, Any]:
        """Load, and pass on the counts of records."""
        into = None if self.conn_id is None else destination(BaseHook.get_connection(self.conn_id))
        try:
            loaded = logmill.load(
                job=self.job,
                into=into,
                date=self.date,
                rebuild=self.rebuild,
                env={**_run_above(context), **(self.env or {})},
                on_progress=lambda progress: self.log.info("%s", progress),
                **self.options,
            )
        except (logmill.Refused, logmill.GivenUp) as error:
            raise AirflowFailException(f"{error.outcome}: {error}") from error
        except logmill.LogmillError as error:
            raise AirflowException(f"{error.outcome}: {error}") from error
        told = {
            "date": self.date,
            "outcome": loaded.outcome,
            "run": loaded.run,
            "records": loaded.records,
            "inserted": loaded.inserted,
            "rejected": loaded.rejected,
            "open_dead_letters": loaded.open_dead_letters,
        }
        if self.fail_on_rejects and loaded.open_dead_letters:
            raise AirflowFailException(f"{loaded.open_dead_letters} dead letters are open: {told}")
        return told

    def on_kill(self) -> None:
        """Stop cleanly: the batch in flight is committed, and the next attempt resumes there."""
        logmill.interrupt()


def destination(connection: Any) -> str:
    """Return an Airflow connection as a URL. If it is not PostgreSQL, its host is the URL."""
    if connection.conn_type not in ("postgres", "postgresql"):
        return str(connection.host)
    user, password = quote(connection.login or "", safe=""), quote(connection.password or "", safe="")
    at = f"{user}:{password}@" if password else f"{user}@" if user else ""
    port = f":{connection.port}" if connection.port else ""
    extra = {key: value for key, value in connection.extra_dejson.items() if isinstance(value, (str, int))}
    query = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in extra.items())
    host = quote(connection.host or "", safe=".:[]")
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    database = quote(connection.schema or "", safe="")
    return f"postgresql://{at}{host}{port}/{database}{'?' + query if query else ''}"


def _run_above(context: Context) -> dict[str, str]:
    """Return the parent run for lineage."""
    task = context["ti"]
    return {
        "AIRFLOW_CTX_DAG_ID": task.dag_id,
        "AIRFLOW_CTX_TASK_ID": task.task_id,
        "AIRFLOW_CTX_DAG_RUN_ID": task.run_id,
        "AIRFLOW_CTX_TRY_NUMBER": str(task.try_number),
    }
