"""Generates log_entry.ndjson.gz and values.ndjson.gz: Pydantic's verdicts on the groups of a pattern.

    python3 make.py

Each line of a file is [record, lax, strict]. `model_validate_strings` validates the groups that `re` finds
in the record. A verdict is null if the pattern does not match, the values if they are valid, and otherwise
the codes by field. Generated with Pydantic 2.13.4 on Python 3.11.
"""

import enum
import gzip
import json
import random
import re
import uuid
from datetime import date, datetime, timezone
from decimal import Decimal

from pydantic import BaseModel, Field, ValidationError

LOG_ENTRY = re.compile(r"^(?P<timestamp>\S+(?: [0-9:.,]+)?) +\[?(?P<severity>[A-Za-z]+)\]? (?P<module>[\w.]*): (?P<message>.*)$")
VALUES = re.compile(r"^(?P<count>[^|]*)\|(?P<ratio>[^|]*)\|(?P<flag>[^|]*)\|(?P<day>[^|]*)\|(?P<cost>[^|]*)\|(?P<id>[^|]*)$")


class Severity(enum.Enum):
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class LogEntry(BaseModel):
    timestamp: datetime
    severity: Severity
    module: str = Field(min_length=1)
    message: str


class Values(BaseModel):
    count: int
    ratio: float
    flag: bool
    day: date
    cost: Decimal
    id: uuid.UUID


def plain(value):
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        return f"{value if value else abs(value):f}"
    if isinstance(value, (date, uuid.UUID)):
        return str(value)
    return value


def verdict(model, pattern, record, strict):
    match = pattern.search(record)
    if not match:
        return None
    groups = {name: text for name, text in match.groupdict().items() if text is not None}
    try:
        found = model.model_validate_strings(groups, strict=strict)
    except ValidationError as error:
        return {"codes": sorted([e["loc"][0], e["type"]] for e in error.errors())}
    return {"values": {name: plain(getattr(found, name)) for name in type(found).model_fields}}


def stamp(rng):
    at = datetime(rng.randint(1970, 2099), rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59), rng.randint(0, 999999))
    return rng.choice([
        lambda: at.isoformat() + "Z",
        lambda: at.isoformat() + rng.choice(["+02:00", "-0330", "+00:00", "z", ""]),
        lambda: at.strftime("%Y-%m-%d %H:%M:%S"),
        lambda: at.strftime("%Y-%m-%d %H:%M:%S.%f")[: rng.randint(20, 26)],
        lambda: at.strftime("%Y-%m-%d %H:%M:%S,") + str(rng.randint(0, 999)),
        lambda: at.strftime("%Y-%m-%d"),
        lambda: at.strftime("%Y-%m-%dT%H:%M"),
        lambda: str(rng.randint(0, 2_000_000_000)),
        lambda: str(rng.randint(10**12, 2 * 10**12)),
        lambda: at.strftime("%d/%b/%Y:%H:%M:%S"),
        lambda: at.strftime("%Y-%m-%dT%H:%M:60Z"),
        lambda: at.strftime("%Y-13-%dT%H:%M:%SZ"),
        lambda: "now",
    ])()


def entry(rng):
    if rng.random() < 0.03:
        return rng.choice(["", "Traceback (most recent call last):", "  at main", "2023-10-27T12:00:00Z", "2023-10-27T12:00:00Z INFO no colon"]) or "-"
    severity = rng.choice(["INFO", "WARN", "ERROR", "INFO", "ERROR", "DEBUG", "info", "Warn"])
    if rng.random() < 0.3:
        severity = f"[{severity}]"
    module = rng.choice(["db", "api.orders", "größe", "", "a.b.c", "x_1"])
    message = rng.choice(["it is up", "", "käse: 100 %", "a \"quoted\" word", "x: y: z", "日本 🦀", "tab\there", "trailing "])
    return f"{stamp(rng)} {severity} {module}: {message}"


TEXTS = {
    "count": ["0", "-7", "+7", "1_000", "1__0", " 5 ", "5.0", "5.5", "x", "", "9223372036854775807", "9223372036854775808", "0x10", "１"],
    "ratio": ["0", "-1.5", "1e3", ".5", "5.", "x", "", " 2 ", "1_0.5", "1e400", "-0.0"],
    "flag": ["true", "False", "TRUE", "yes", "no", "on", "off", "1", "0", "t", "n", "2", "", "tru", " true"],
    "day": ["2023-10-27", "2023-02-29", "2023-10-27T00:00:00", "2023-10-27T12:00:00", "1698364800", "20231027", "", "x"],
    "cost": ["1.50", "-0", "1e2", "NaN", "x", "", "1_0", " 3.10 ", "0.001"],
    "id": ["b91d39e4-b81a-4ac6-8048-7a967ab2af2b", "b91d39e4b81a4ac680487a967ab2af2b", "{b91d39e4-b81a-4ac6-8048-7a967ab2af2b}", "urn:uuid:b91d39e4-b81a-4ac6-8048-7a967ab2af2b", "b91d39e4", ""],
}


def values(rng):
    if rng.random() < 0.02:
        return "no bars at all"
    # Mostly valid, so that every fault also occurs alone.
    return "|".join(texts[0] if rng.random() < 0.6 else rng.choice(texts) for texts in TEXTS.values())


def write(name, model, pattern, record, count):
    rng = random.Random(name)
    with gzip.GzipFile(name, "wb", mtime=0) as out:
        for _ in range(count):
            text = record(rng)
            both = [verdict(model, pattern, text, strict) for strict in (False, True)]
            line = json.dumps([text, *both], ensure_ascii=False, separators=(",", ":"))
            out.write(line.encode() + b"\n")


if __name__ == "__main__":
    write("log_entry.ndjson.gz", LogEntry, LOG_ENTRY, entry, 20_000)
    write("values.ndjson.gz", Values, VALUES, values, 20_000)
