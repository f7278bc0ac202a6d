"""Pydantic and sqlite-utils' upsert_all."""

import sqlite_utils

from common import COLUMNS, arguments, rows

file, target, reject = arguments()
plain = ((str(trace), at.isoformat(), *rest) for trace, at, *rest in rows(file, reject))
sqlite_utils.Database(target)["peer"].upsert_all((dict(zip(COLUMNS, row)) for row in plain), pk="trace", batch_size=1000)
