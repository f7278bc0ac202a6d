"""Pydantic and a prepared statement, with one transaction per batch."""

import sqlite3

from common import COLUMNS, arguments, batches, rows

SQL = f"""INSERT INTO peer ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})
    ON CONFLICT (trace) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])}"""

file, target, reject = arguments()
connection = sqlite3.connect(target)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = NORMAL")
for batch in batches((str(trace), at.isoformat(), *rest) for trace, at, *rest in rows(file, reject)):
    connection.executemany(SQL, batch)
    connection.commit()
connection.close()
