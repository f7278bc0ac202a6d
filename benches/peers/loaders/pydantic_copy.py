"""Pydantic, text COPY into a stage, and an upsert per batch: psycopg 3 as its manual shows it."""

import psycopg

from common import COLUMNS, UPSERT, arguments, batches, rows

file, target, reject = arguments()
with psycopg.connect(target) as connection, connection.cursor() as cursor:
    cursor.execute("CREATE TEMP TABLE stage (LIKE peer) ON COMMIT DELETE ROWS")
    connection.commit()
    for batch in batches(rows(file, reject)):
        with cursor.copy(f"COPY stage ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for row in batch:
                copy.write_row(row)
        cursor.execute(UPSERT)
        connection.commit()
