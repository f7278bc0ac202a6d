#!/usr/bin/env python3
"""Validates the values of pydantic.ndjson with Pydantic, and rewrites the file with its verdicts.

    pip install 'pydantic==2.14.4'
    python tests/cases/judge.py

A line of the file has a field in the notation of a job, whether it is strict, and values with verdicts: the value as
`check --verdicts` writes it or, after a `!`, the faults with their places. Add new values by hand, with any verdict.
The same version of Pydantic produces the same file.
"""
import datetime
import decimal
import enum
import ipaddress
import json
import math
import pathlib
import tomllib
import uuid
from typing import Annotated, Any, Optional

import pydantic
from pydantic import ConfigDict, Field, StringConstraints

FILE = pathlib.Path(__file__).with_name("pydantic.ndjson")

STAMPS = {None: datetime.datetime, "required": pydantic.AwareDatetime, "naive": pydantic.NaiveDatetime}
PLAIN = {"int": int, "float": float, "bool": bool, "date": datetime.date, "time": datetime.time, "uuid": uuid.UUID,
         "decimal": decimal.Decimal}


def kind(field):
    """Returns the type annotation of a field."""
    name, rules = field["type"], {name: rule for name, rule in field.items() if name not in ("type", "nullable")}
    if name == "text":
        words = {"trim": "strip_whitespace", "lower": "to_lower"}
        made = Annotated[str, StringConstraints(**{words.get(rule, rule): value for rule, value in rules.items()})]
    elif name == "timestamp":
        made = STAMPS[rules.get("zone")]
    elif name == "ip":
        made = {None: pydantic.IPvAnyAddress, 4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}[rules.get("version")]
    elif name == "json":
        made = pydantic.Json if rules.get("json_text") else Any
    elif name == "enum":
        made = enum.Enum("Choice", {value: value for value in rules["values"]})
    elif name == "list":
        words = {"min_items": "min_length", "max_items": "max_length"}
        bounds = {words[rule]: value for rule, value in rules.items() if rule in words}
        made = Annotated[list[kind(rules["items"])], Field(**bounds)]
    else:
        words = {"finite": "allow_inf_nan"}
        exact = decimal.Decimal if name == "decimal" else lambda value: value
        bounds = {words.get(rule, rule): not value if rule == "finite" else value if rule in ("max_digits", "decimal_places")
                  else exact(str(value)) if name == "decimal" else value for rule, value in rules.items()}
        made = Annotated[PLAIN[name], Field(**bounds)]
    return Optional[made] if field.get("nullable") else made


def plain(value):
    """Converts a value to the form that verdicts use."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return str(value) if not -(2**63) <= value < 2**63 and not JSON[0] else value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[str(value)]
    if isinstance(value, datetime.datetime):
        zone = "" if value.tzinfo is None and NAIVE[0] else "Z"
        value = value.astimezone(datetime.timezone.utc) if value.tzinfo else value
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + zone
    if isinstance(value, datetime.time):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds")
    if isinstance(value, decimal.Decimal):
        return format(value.copy_abs() if value.is_zero() else value, "f")
    if isinstance(value, ipaddress.IPv6Address) and value.ipv4_mapped:
        return f"::ffff:{value.ipv4_mapped}"
    return value if isinstance(value, str) else str(value)


# For the current field: whether timestamps stay without a zone, and whether numbers stay as in JSON.
NAIVE, JSON = [False], [False]


def verdict(model, value):
    try:
        return json.dumps(plain(model.model_validate_json('{"f":' + value + "}").f), ensure_ascii=False)
    except pydantic.ValidationError as error:
        faults = sorted({f"{'.'.join(map(str, fault['loc']))} {fault['type']}" for fault in error.errors()})
        return "!" + ", ".join(faults)


def main():
    lines = []
    for line in FILE.read_text().rstrip("\n").split("\n"):
        group = json.loads(line)
        field = tomllib.loads("f = {" + group["field"] + "}")["f"]
        NAIVE[0], JSON[0] = field.get("zone") == "naive", field["type"] == "json"
        model = pydantic.create_model("M", f=(kind(field), ...), __config__=ConfigDict(strict=group["strict"]))
        group["cases"] = [[value, verdict(model, value)] for value, _ in group["cases"]]
        lines.append(json.dumps(group, ensure_ascii=False))
    FILE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
