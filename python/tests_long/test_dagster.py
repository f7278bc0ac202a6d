"""The assets, under a real Dagster: `.ci/long python`."""

from __future__ import annotations

from typing import Any

import dagster
import psycopg
import pytest

import logmill
from conftest import Write
from logmill.dagster import CHECK, logmill_asset

# What Dagster leaves to the collector is not ours.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def asset(url: str, **more: Any) -> dagster.AssetsDefinition:
    described = {key: more.pop(key) for key in ("stop_above", "more") if key in more}
    job = logmill.Job(files="{date}.ndjson", model=SCHEMA, into=url, table="t", **described)
    return logmill_asset(name="app_logs", job=job, start_date="2024-02-01", **more)


def materialize(made: dagster.AssetsDefinition, day: str = "2024-02-29") -> Any:
    with dagster.DagsterInstance.ephemeral() as instance:
        return dagster.materialize([made], partition_key=day, instance=instance, raise_on_error=False)


def test_a_partition_is_the_data_date(postgres: str, write: Write) -> None:
    write("2024-02-28.ndjson", {"n": 1})
    write("2024-02-29.ndjson", {"n": 2}, {"n": "x"})
    made = asset(postgres)
    for day in ("2024-02-28", "2024-02-29"):
        result = materialize(made, day)
        assert result.success
    metadata = result.asset_materializations_for_node("app_logs")[0].metadata
    assert (metadata["inserted"].value, metadata["rejected"].value) == (1, 1)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity.value) == (CHECK, False, "WARN")
    assert check.metadata["int_parsing"].value == 1
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT n FROM t ORDER BY 1").fetchall() == [(1,), (2,)]
        dates = connection.execute("SELECT data_date::text FROM logmill.sources ORDER BY 1").fetchall()
    assert dates == [("2024-02-28",), ("2024-02-29",)]


def test_only_what_can_be_mended_by_running_again_is_retried(postgres: str, write: Write) -> None:
    write("2024-02-29.ndjson", {"n": "x"})

    def kinds(result: Any) -> set[str]:
        return {event.event_type_value for event in result.all_events}

    unreached = asset(
        "postgresql://nobody@127.0.0.1:1/none", retries=1, seconds_to_wait=0, options={"retry_for": "0s"}
    )
    result = materialize(unreached)
    assert not result.success
    assert "STEP_UP_FOR_RETRY" in kinds(result)
    for wrong in ({"more": {"source": {"none": 1}}}, {"stop_above": 0}):
        result = materialize(asset(postgres, **wrong))
        assert not result.success
        assert "STEP_UP_FOR_RETRY" not in kinds(result)
    result = materialize(asset(postgres, fail_on_rejects=True))
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.severity.value) == (False, "ERROR")


def test_a_range_of_days_is_a_range_of_partitions() -> None:
    made = asset("sqlite:x.db", end_date="2024-02-05")
    definition = made.partitions_def
    assert definition is not None
    keys = definition.get_partition_keys()
    assert list(keys) == ["2024-02-01", "2024-02-02", "2024-02-03", "2024-02-04"]


def test_a_destination_can_be_a_variable(
    postgres: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_LOGS", postgres)
    write("2024-02-29.ndjson", {"n": 2})
    assert materialize(asset("sqlite:none.db", into=dagster.EnvVar("APP_LOGS"))).success
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT n FROM t").fetchall() == [(2,)]
