"""Pydantic and executemany, a thousand rows at a time, as most people write it."""

import psycopg

from common import COLUMNS, arguments, rows

SQL = f"""INSERT INTO peer ({", ".join(COLUMNS)}) VALUES ({", ".join(["%s"] * len(COLUMNS))})
    ON CONFLICT (trace) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])}"""

file, target, reject = arguments()
with psycopg.connect(target) as connection, connection.cursor() as cursor:
    batch = []
    for row in rows(file, reject):
        batch.append(row)
        if len(batch) == 1000:
            cursor.executemany(SQL, batch)
            connection.commit()
            batch.clear()
    cursor.executemany(SQL, batch)
