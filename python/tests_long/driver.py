"""A driver of Spark as people write one: the master, the destination, the folder of the files."""

from __future__ import annotations

import json
import os
import sys

from pyspark.sql import SparkSession

import logmill
from logmill import spark as logmill_spark

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}, "text": {"type": "string"}}}


def main() -> int:
    """Load, and print a row for each split."""
    master, into, folder = sys.argv[1:4]
    settings = json.loads(os.environ.get("SETTINGS", "{}"))
    builder = SparkSession.builder.master(master).appName("logmill")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    try:
        job = logmill.Job(
            files=f"{folder}/*.ndjson",
            model=SCHEMA,
            into=into,
            table="t",
            more={"pipeline": {"chunk_size": "16KiB", "batch_rows": 100, "batch_bytes": "16KiB"}},
        )
        rows = logmill_spark.load(session, job, split_size="128KiB", task_bytes=1)
        for row in rows:
            print(json.dumps(row.__dict__), flush=True)
    finally:
        session.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
