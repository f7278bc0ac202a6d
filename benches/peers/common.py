"""Shared by all loaders: the record, its validation, and the command line.

A loader is a script: `loader.py FILE TARGET REJECTS`. It loads FILE into the table `peer` of TARGET, where the later of
two records with one trace wins, and writes the numbers of rejected lines into REJECTS, one per line.
Each loader tries to be good code of its kind, such as a careful programmer writes in an afternoon.
"""

import sys
from pathlib import Path

COLUMNS = ["trace", "timestamp", "severity", "module", "message", "user_id", "latency_ms", "ok"]

POSTGRES_TABLE = """CREATE TABLE peer (
    trace uuid PRIMARY KEY, timestamp timestamptz NOT NULL, severity text NOT NULL, module text NOT NULL,
    message text NOT NULL, user_id bigint NOT NULL, latency_ms double precision NOT NULL, ok boolean NOT NULL)"""

SQLITE_TABLE = """CREATE TABLE peer (
    trace TEXT PRIMARY KEY, timestamp TEXT NOT NULL, severity TEXT NOT NULL, module TEXT NOT NULL,
    message TEXT NOT NULL, user_id INTEGER NOT NULL, latency_ms REAL NOT NULL, ok INTEGER NOT NULL)"""

UPSERT = f"""INSERT INTO peer ({", ".join(COLUMNS)}) SELECT {", ".join(COLUMNS)} FROM stage
    ON CONFLICT (trace) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])}"""

BATCH_ROWS = 100_000


def arguments():
    """Returns FILE, TARGET and a function that records a rejected line."""
    file, target, rejects = sys.argv[1:4]
    out = Path(rejects).open("w")
    return file, target, lambda line: out.write(f"{line}\n")


def batches(rows):
    """Groups rows into batches. A batch keeps only the last row of each trace, because a statement that upserts one
    row twice is an error."""
    batch = {}
    for row in rows:
        batch[row[0]] = row
        if len(batch) == BATCH_ROWS:
            yield batch.values()
            batch = {}
    if batch:
        yield batch.values()


def model():
    """The record as a Pydantic model, which also rejects text that PostgreSQL cannot store."""
    from datetime import datetime
    from typing import Annotated, Literal
    from uuid import UUID

    from pydantic import AfterValidator, BaseModel, Field

    def storable(text):
        if "\0" in text:
            raise ValueError("a NUL cannot be stored")
        return text

    Text = Annotated[str, AfterValidator(storable)]

    class Event(BaseModel):
        timestamp: datetime
        severity: Literal["INFO", "WARN", "ERROR"]
        module: Annotated[Text, Field(min_length=1)]
        message: Text
        user_id: Annotated[int, Field(ge=0)]
        latency_ms: float
        ok: bool
        trace: UUID

    return Event


def events(file, reject):
    """Yields the valid records of a file as Pydantic models."""
    from pydantic import ValidationError

    validate = model().model_validate_json
    with open(file, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield validate(line)
            except ValidationError:
                reject(number)


def rows(file, reject):
    """Yields the valid records as tuples, in the order of the columns."""
    for event in events(file, reject):
        yield (event.trace, event.timestamp, event.severity, event.module, event.message, event.user_id,
               event.latency_ms, event.ok)


def structs(file, reject):
    """Yields the valid records as msgspec structs, validated like the model."""
    from datetime import datetime
    from typing import Annotated, Literal
    from uuid import UUID

    import msgspec

    class Event(msgspec.Struct):
        timestamp: datetime
        severity: Literal["INFO", "WARN", "ERROR"]
        module: Annotated[str, msgspec.Meta(min_length=1)]
        message: str
        user_id: Annotated[int, msgspec.Meta(ge=0)]
        latency_ms: float
        ok: bool
        trace: UUID

    decode = msgspec.json.Decoder(Event, strict=False).decode
    with open(file, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                event = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                reject(number)
                continue
            if "\0" in event.message or "\0" in event.module:
                reject(number)
            else:
                yield event
