"""The operator, under a real Airflow: `.ci/long python`."""

from __future__ import annotations

import datetime
import logging
import os
import pathlib
import runpy
import subprocess
import sys
import threading
from typing import Any
from unittest import mock

import psycopg
import pytest

import logmill
from conftest import Write

# What Airflow leaves behind or will do otherwise is not ours.
pytestmark = pytest.mark.filterwarnings("default")

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture(autouse=True, scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Make a home with a database, before anything of Airflow is imported."""
    home = tmp_path_factory.mktemp("airflow")
    os.environ.update(
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home}/airflow.db",
    )
    airflow = pathlib.Path(sys.executable).with_name("airflow")
    subprocess.run([airflow, "db", "migrate"], check=True, capture_output=True)
    return home


def job(url: str, table: str = "t", **more: Any) -> logmill.Job:
    return logmill.Job(files="{date}.ndjson", model=SCHEMA, into=url, table=table, **more)


def context(**more: Any) -> Any:
    task = mock.Mock(dag_id="d", task_id="load", run_id="r", try_number=1)
    return {"ti": task, **more}


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM t").fetchone() or (0,)
    return int(count)


# As it lies in the folder of the DAGs.
DAG = """
import datetime, os
from airflow.sdk import DAG
import logmill
from logmill.airflow import LogmillOperator

schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
job = logmill.Job(files=os.environ["LOADS"] + "/{date}.ndjson", model=schema, table="t",
                  into=os.environ["LOADS_INTO"])
with DAG("loads", schedule="@daily", start_date=datetime.datetime(2024, 2, 1), catchup=False) as dag:
    LogmillOperator(task_id="load", job=job, env={"PGAPPNAME": "{{ ds }}"})
"""


def test_a_run_loads_its_day_and_again_nothing(
    postgres: str,
    write: Write,
    airflow_home: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("2024-02-28.ndjson", {"n": 1})
    write("2024-02-29.ndjson", {"n": 2}, {"n": 3}, {"n": "x"})
    monkeypatch.setenv("LOADS", str(tmp_path))
    monkeypatch.setenv("LOADS_INTO", postgres)
    (airflow_home / "dags").mkdir()
    (airflow_home / "dags/loads.py").write_text(DAG)
    dag = runpy.run_path(str(airflow_home / "dags/loads.py"))["dag"]
    day = datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc)
    for inserted in (2, 0):
        run = dag.test(logical_date=day)
        assert run.state == "success"
        told = run.get_task_instance("load").xcom_pull(task_ids="load")
        assert (told["date"], told["outcome"], told["inserted"]) == ("2024-02-29", "rejects", inserted)
    assert count(postgres) == 2


def test_what_can_be_mended_by_running_again_is_retried_and_nothing_else(postgres: str, write: Write) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException  # noqa: PLC0415

    from logmill.airflow import LogmillOperator  # noqa: PLC0415

    write("2024-02-29.ndjson", {"n": 2}, {"n": "x"})

    def run(described: logmill.Job, **more: Any) -> Any:
        return LogmillOperator(task_id="load", job=described, date="2024-02-29", **more).execute(context())

    with pytest.raises(AirflowException, match="failed: ") as failed:
        run(job("postgresql://nobody@127.0.0.1:1/none"), options={"retry_for": "0s"})
    assert not isinstance(failed.value, AirflowFailException)
    with pytest.raises(AirflowFailException, match="refused: "):
        run(job(postgres, more={"source": {"none": 1}}))
    with pytest.raises(AirflowFailException, match="given_up: "):
        run(job(postgres, table="other", stop_above=0))
    assert run(job(postgres))["rejected"] == 1
    with pytest.raises(AirflowFailException, match="1 dead letters are open"):
        run(job(postgres), fail_on_rejects=True)


def test_a_connection_of_airflow_is_the_destination_and_is_shown_nowhere(postgres: str, write: Write) -> None:
    from airflow.sdk import Connection  # noqa: PLC0415

    from logmill import airflow  # noqa: PLC0415

    connection = Connection(
        conn_id="logs", conn_type="postgres", host="db", login="a@b", password="p/w", schema="app",  # noqa: S106
        port=5433, extra='{"sslmode": "verify-full"}',
    )  # fmt: skip
    assert airflow.destination(connection) == "postgresql://a%40b:p%2Fw@db:5433/app?sslmode=verify-full"
    connection = Connection(conn_id="logs", conn_type="postgres", host="::1", schema="a/b")
    assert airflow.destination(connection) == "postgresql://[::1]/a%2Fb"
    operator = airflow.LogmillOperator(task_id="load", job=job("postgresql://ada:hidden@db/app"))
    assert "hidden" not in repr([getattr(operator, field) for field in operator.template_fields])
    write("2024-02-29.ndjson", {"n": 2})
    place = Connection(conn_id="x", conn_type="generic", host=postgres)
    with mock.patch("airflow.sdk.BaseHook.get_connection", return_value=place):
        operator = airflow.LogmillOperator(
            task_id="load", job=job("sqlite:none.db"), date="2024-02-29", conn_id="x"
        )
        operator.execute(context())
    assert count(postgres) == 1


def test_a_task_that_is_killed_stops_cleanly(postgres: str, write: Write, caplog: Any) -> None:
    from airflow.sdk.exceptions import AirflowException  # noqa: PLC0415

    from logmill.airflow import LogmillOperator  # noqa: PLC0415

    write("2024-02-29.ndjson", *({"n": number} for number in range(5000)))
    caplog.set_level(logging.INFO)
    slow = {
        "LOGMILL_BATCH_ROWS": "10",
        "LOGMILL_BATCH_BYTES": "4KiB",
        "LOGMILL_CHUNK_SIZE": "1KiB",
        "FAILPOINTS": "before-commit=sleep(50)",
    }
    operator = LogmillOperator(task_id="load", job=job(postgres), date="2024-02-29", env=slow)
    timer = threading.Timer(3, operator.on_kill)
    timer.start()
    with pytest.raises(AirflowException, match="after a clean stop"):
        operator.execute(context())
    assert 0 < count(postgres) < 5000
