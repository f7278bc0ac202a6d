"""Assets for Dagster, partitioned by day: the partition is the data date.

    app_logs = logmill_asset(name="app_logs", job="/etc/logmill/app.toml", start_date="2023-01-01")

Dagster decides when to run, the destination what is loaded: materialising a partition again loads what is
missing, and a Dagster backfill is one load per day.
"""

# Dagster looks at annotations, so they are no texts here.
import datetime
from collections.abc import Mapping
from typing import Any

import dagster
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    DailyPartitionsDefinition,
    Failure,
    MaterializeResult,
    RetryRequested,
)

import logmill
from logmill._job import JobOrPath

CHECK = "no_dead_letters_are_open"


def logmill_asset(
    *,
    name: str,
    job: JobOrPath,
    start_date: datetime.date | str,
    end_date: datetime.date | str | None = None,
    into: str | dagster.EnvVar | None = None,
    fail_on_rejects: bool = False,
    retries: int = 3,
    seconds_to_wait: float = 60,
    env: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    **asset: Any,
) -> AssetsDefinition:
    """Create an asset whose partitions are the days of a job.

    Failures that a retry can fix (1, 6, a signal) are retried up to `retries` times; failures that need a
    person (2, 4) are final. Rejected records (3) are a warning of the check on the asset, or an error with
    `fail_on_rejects`. `options` are other arguments of `logmill.load`, `asset` those of Dagster.
    """
    end = None if end_date is None else str(end_date)
    partitions = DailyPartitionsDefinition(start_date=str(start_date), end_date=end)

    @dagster.asset(
        name=name,
        partitions_def=partitions,
        check_specs=[AssetCheckSpec(name=CHECK, asset=name, blocking=fail_on_rejects)],
        **{"kinds": {"logmill"}, **asset},
    )
    def load(context: AssetExecutionContext) -> MaterializeResult:
        try:
            loaded = logmill.load(
                job=job,
                into=into.get_value() if isinstance(into, dagster.EnvVar) else into,
                date=context.partition_key,
                env=env,
                on_progress=lambda progress: context.log.info(str(progress)),
                **(options or {}),
            )
        except (logmill.Refused, logmill.GivenUp) as error:
            raise Failure(f"{error.outcome}: {error}", allow_retries=False) from error
        except logmill.LogmillError as error:
            raise RetryRequested(max_retries=retries, seconds_to_wait=seconds_to_wait) from error
        severity = AssetCheckSeverity.ERROR if fail_on_rejects else AssetCheckSeverity.WARN
        check = AssetCheckResult(
            check_name=CHECK,
            passed=not loaded.open_dead_letters,
            severity=severity,
            metadata={reason.code: reason.count for reason in loaded.reasons},
        )
        return MaterializeResult(metadata=_metadata(loaded), check_results=[check])

    made: AssetsDefinition = load
    return made


def _metadata(loaded: logmill.Load) -> dict[str, Any]:
    """Return the metadata that Dagster shows for a materialisation."""
    told = {
        "dagster/partition_row_count": loaded.inserted + loaded.updated + loaded.unchanged,
        "destination": loaded.destination,
        "run": loaded.run,
        "records": loaded.records,
        "inserted": loaded.inserted,
        "updated": loaded.updated,
        "rejected": loaded.rejected,
        "open_dead_letters": loaded.open_dead_letters,
        "bytes": loaded.bytes,
        "seconds": loaded.seconds,
    }
    return {name: value for name, value in told.items() if value is not None}


__all__ = ["CHECK", "logmill_asset"]
