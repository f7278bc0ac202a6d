"""duckdb reads the file and skips lines that it cannot read; the result is copied and upserted.

It does not report which lines it skipped.
"""

import os
import tempfile

import duckdb
import psycopg

from common import COLUMNS, UPSERT, arguments

TYPES = {"timestamp": "TIMESTAMPTZ", "severity": "VARCHAR", "module": "VARCHAR", "message": "VARCHAR",
         "user_id": "BIGINT", "latency_ms": "DOUBLE", "ok": "BOOLEAN", "trace": "UUID"}

file, target, reject = arguments()
with tempfile.TemporaryDirectory() as folder:
    csv = os.path.join(folder, "rows.csv")
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in TYPES.items())
    duckdb.execute("SET TimeZone = 'UTC'")
    # The last record of each trace, and only complete records.
    duckdb.execute(f"""COPY (
        SELECT {", ".join(COLUMNS)} FROM (
            SELECT *, row_number() OVER () AS place
            FROM read_json('{file}', format = 'newline_delimited', ignore_errors = true, columns = {{{columns}}})
        ) WHERE severity IN ('INFO', 'WARN', 'ERROR') AND module <> '' AND user_id >= 0 AND message IS NOT NULL
            AND timestamp IS NOT NULL AND latency_ms IS NOT NULL AND ok IS NOT NULL AND trace IS NOT NULL
            AND NOT contains(message, chr(0))
        QUALIFY row_number() OVER (PARTITION BY trace ORDER BY place DESC) = 1
    ) TO '{csv}' (HEADER false)""")
    with psycopg.connect(target) as connection, connection.cursor() as cursor, open(csv, "rb") as rows:
        cursor.execute("CREATE TEMP TABLE stage (LIKE peer) ON COMMIT DELETE ROWS")
        with cursor.copy(f"COPY stage ({', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)") as copy:
            while piece := rows.read(1 << 16):
                copy.write(piece)
        cursor.execute(UPSERT)
