#!/usr/bin/env python3
"""Generates the cases of tests/models.rs: values with Pydantic's verdicts.

    "$(.ci/tools pydantic)/bin/python" tests/cases/models/make.py

There is one file per kind of field. Its first line is the JSON Schema that Pydantic emits for the model; every other
line has a record and a verdict. A verdict is the columns of the row, or a list of `field code`. All random choices
come from a fixed seed, so the same version of Pydantic produces the same files.
"""
import datetime
import decimal
import enum
import ipaddress
import json
import math
import pathlib
import random
import uuid
from typing import Annotated, Any, Literal, Optional, Union

import pydantic
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

COUNT = 1000
HERE = pathlib.Path(__file__).parent
draw = random.Random("models")


class Level(enum.IntEnum):
    debug = 10
    info = 20
    off = 0
    odd = -3


class Mixed(enum.Enum):
    one = 1
    word = "x"
    other = "y z"
    many = 12


class Text(str, enum.Enum):
    a = "a"
    b = "it's"


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class Node(BaseModel):
    v: int
    next: Optional["Node"] = None
    kids: list["Node"] = []
    by: dict[str, "Node"] = {}


class Left(BaseModel):
    right: Optional["Right"] = None
    name: Annotated[str, Field(min_length=1)]


class Right(BaseModel):
    left: Optional[Left] = None
    n: int = 3


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    f: int
    g: Optional[str] = None


class OpenInner(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 1


class Counted(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]
    a: str


class Context(BaseModel):
    user: Annotated[str, Field(min_length=1)]
    depth: Optional[int] = 3
    tags: list[str] = []


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int = 7
    by: dict[str, int] = {}


class Bare(BaseModel):
    f: int = None
    g: Annotated[str, Field(min_length=1)] = None
    h: Optional[int] = 3


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    lives: Annotated[int, Field(ge=1)] = 1


class Tree(BaseModel):
    v: int
    next: Union["Tree", "Left", int, None] = None


flat = Field(json_schema_extra={"x-logmill": {"flatten": True}})


class Flat(BaseModel):
    f: int
    ctx: Annotated[Context, flat]
    other: Annotated[Optional[Closed], flat] = None
    g: Optional[str] = None


Zoned = Annotated[pydantic.AwareDatetime, Field(json_schema_extra={"x-logmill": {"zone": "required"}})]
Unzoned = Annotated[pydantic.NaiveDatetime, Field(json_schema_extra={"x-logmill": {"zone": "naive"}})]
Moment = Annotated[Union[float, datetime.date], Field(title="Moment")]
Hour = Annotated[Optional[Union[bool, datetime.time]], Field(title="Hour")]
Long = Annotated[str, StringConstraints(min_length=3)]
Lower = Annotated[str, StringConstraints(pattern="^[a-z]+$")]
Small = Annotated[int, Field(ge=0, lt=100)]
Share = Annotated[float, Field(ge=0, le=1)]
Word = Annotated[Union[Literal["a", "x y"], Annotated[Union[Long, Literal["b"]], Field(title="Inner")]], Field(title="Word")]

ONES = ["1", "1.0", "1e0", '"1"', '" 1 "', '"1.0"', "true", '"+1"', '"01"', "1.5"]
NUMBERS = ["0", "-3", "3", "10", "20", "12", "99", "100", "1.0", "20.0", "-0.0", "2e1", "0.5", "1e400", "-1e30",
           "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e18", "1e19",
           "123456789012345678901234567890", "NaN", "Infinity", "-Infinity", "0.1", "1e-7", "86400", "1704067200"]
TEXTS = ['""', '"a"', '"it\'s"', '"x"', '"y z"', '"X"', '" x"', '"abc"', '"ab"', '"ABC"', '"true"', '"off"', '"10"',
         '"20.0"', '"-3"', '"0.5"', '"1e2"', '"nan"', '"inf"', '"null"', '"1_0"', '"\\u00e4\\ud83d\\ude00"', '"on"',
         '"2024-01-01"', '"2024-01-01T00:00:00"', '"2024-01-01T00:00:00Z"', '"2024-06-01 12:30:00.5+02:00"',
         '"1704067200"', '"12:30"', '"12:30:59.25"', '"86400"', '"1.2.3.4"', '"::1"', '"x-y"', '"9223372036854775808"',
         '"{C5B4F2F0-0000-4000-8000-000000000000}"', '"c5b4f2f0000040008000000000000000"']
OTHERS = ["null", "true", "false", "[]", "{}", "[1]", '["x"]', '{"a":1}', "[[]]"]


def uuid_text():
    version = draw.choice("0134567894")
    variant = draw.choice("89ab0cf8")
    digits = "".join(draw.choice("0123456789abcdefABCDEF") for _ in range(30))
    text = f"{digits[:8]}-{digits[8:12]}-{version}{digits[12:15]}-{variant}{digits[15:18]}-{digits[18:]}"
    return json.dumps(draw.choice([text, text, text.replace("-", ""), "{" + text + "}", "urn:uuid:" + text, text[1:]]))


def stamp():
    day = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=draw.randrange(0, 4 * 10**15))
    text = day.isoformat(sep=draw.choice("T "), timespec=draw.choice(["minutes", "seconds", "milliseconds", "microseconds"]))
    zone = draw.choice(["", "", "Z", "+02:00", "-0330", "z", " Z", "+25:00"])
    return draw.choice([json.dumps(text + zone), json.dumps(text[:10]), str(draw.randrange(0, 2 * 10**12)),
                        json.dumps(str(draw.randrange(0, 10**10))), str(draw.random() * 1e9)])


def number():
    return draw.choice([str(draw.randrange(-5, 130)), str(draw.randrange(-(2**70), 2**70)), repr(draw.uniform(-2, 200)),
                        json.dumps(str(draw.randrange(-5, 130))), json.dumps(repr(draw.uniform(-2, 2))),
                        f"{draw.randrange(0, 30)}.0", f"{draw.randrange(0, 30)}e0"])


def word():
    return json.dumps("".join(draw.choice("abcxyzABC 019'é") for _ in range(draw.randrange(0, 6))))


def scalar():
    pool = draw.choice([ONES, NUMBERS, TEXTS, OTHERS, None, None])
    if pool:
        return draw.choice(pool)
    return draw.choice([number, word, stamp, uuid_text])()


def keyed(value):
    keys = draw.choices(["a", "b", "A", "", "x y", "a.b", "\\u00e4", "f", "extra", "a"], k=draw.randrange(0, 4))
    return "{" + ",".join(f'"{key}":{value()}' for key in keys) + "}"


def mostly(likely):
    return lambda: likely() if draw.random() < 0.7 else scalar()


def dictionary(value):
    return mostly(lambda: keyed(mostly(value)))


def node(depth=0):
    members = []
    if draw.random() < 0.93:
        members.append(f'"v":{draw.choice(["1", "2", "3", chr(34) + "4" + chr(34), "5.0"]) if draw.random() < 0.9 else scalar()}')
    if draw.random() < 0.5 and depth < 5:
        members.append(f'"next":{node(depth + 1) if draw.random() < 0.85 else scalar()}')
    if draw.random() < 0.3 and depth < 4:
        members.append('"kids":[' + ",".join(node(depth + 2) for _ in range(draw.randrange(0, 3))) + "]")
    if draw.random() < 0.2 and depth < 4:
        members.append('"by":{' + ",".join(f'"{key}":{node(depth + 2)}' for key in draw.sample("abc", draw.randrange(0, 3))) + "}")
    if draw.random() < 0.1:
        members.append(f'"other":{scalar()}')
    draw.shuffle(members)
    return "{" + ",".join(members) + "}"


def left(depth=0):
    members = [f'"name":{word() if draw.random() < 0.8 else scalar()}'] if draw.random() < 0.9 else []
    if draw.random() < 0.7 and depth < 6:
        members.append(f'"right":{right(depth + 1) if draw.random() < 0.9 else scalar()}')
    return "{" + ",".join(members) + "}"


def right(depth):
    members = [f'"n":{number()}'] if draw.random() < 0.5 else []
    if draw.random() < 0.7 and depth < 6:
        members.append(f'"left":{left(depth + 1)}')
    return "{" + ",".join(members) + "}"


def deep():
    depth = draw.choice([1, 2, 10, 50, 100, 120])
    return '{"v":1,"next":' * depth + "null" + "}" * depth


def open_record():
    members = [f'"f":{draw.choice(["1", "2", scalar()])}'] if draw.random() < 0.95 else []
    members += [f'"g":{draw.choice([word(), "null", scalar()])}'] if draw.random() < 0.5 else []
    members += [f'"{draw.choice(["x", "y", "F", "x y", ""])}":{scalar()}' for _ in range(draw.randrange(0, 4))]
    draw.shuffle(members)
    return "{" + ",".join(members) + "}"


def context():
    members = [f'"user":{draw.choice([word(), word(), scalar()])}'] if draw.random() < 0.9 else []
    members += [f'"depth":{draw.choice(["1", "null", number(), scalar()])}'] if draw.random() < 0.5 else []
    members += [f'"tags":{draw.choice(["[]", "[" + word() + "]", scalar()])}'] if draw.random() < 0.3 else []
    members += [f'"x":{scalar()}'] if draw.random() < 0.2 else []
    draw.shuffle(members)
    return "{" + ",".join(members) + "}"


def closed():
    members = [f'"n":{draw.choice(["1", number(), scalar()])}'] if draw.random() < 0.5 else []
    members += [f'"by":{keyed(number)}'] if draw.random() < 0.3 else []
    members += [f'"{draw.choice(["x", "y"])}":{scalar()}' for _ in range(draw.choice([0, 0, 0, 1, 2]))]
    return "{" + ",".join(members) + "}"


def flat_record():
    members = [f'"f":{draw.choice(["1", "2", "3", scalar()])}'] if draw.random() < 0.97 else []
    members += [f'"ctx":{context() if draw.random() < 0.9 else scalar()}'] if draw.random() < 0.95 else []
    members += [f'"other":{closed() if draw.random() < 0.8 else scalar()}'] if draw.random() < 0.6 else []
    members += [f'"g":{word()}'] if draw.random() < 0.3 else []
    draw.shuffle(members)
    return "{" + ",".join(members) + "}"


def bare_record():
    members = [f'"f":{draw.choice(["1", "2", "null", scalar()])}'] if draw.random() < 0.7 else []
    members += [f'"g":{draw.choice([word(), "null", scalar()])}'] if draw.random() < 0.6 else []
    members += [f'"h":{draw.choice([number(), "null", scalar()])}'] if draw.random() < 0.5 else []
    draw.shuffle(members)
    return "{" + ",".join(members) + "}"


def in_text(value):
    """Returns a generator of texts that hold JSON, or nearly."""

    def made():
        text = value()
        text = draw.choice([text, text, text, f" {text}\n", text[:-1], text + "]"])
        return json.dumps(text)

    return mostly(made)


def animal():
    members = [f'"kind":{draw.choice([chr(34) + "cat" + chr(34), chr(34) + "dog" + chr(34), scalar()])}']
    members += [f'"lives":{draw.choice(["7", "0", number(), scalar()])}'] if draw.random() < 0.9 else []
    return "{" + ",".join(members) + "}"


def tree(depth=0):
    members = [f'"v":{draw.choice(["1", "2", scalar()]) if draw.random() < 0.2 else "1"}'] if draw.random() < 0.97 else []
    if draw.random() < 0.8 and depth < 12:
        members.append(f'"next":{draw.choice([tree(depth + 1), tree(depth + 1), left(6), scalar()])}')
    return "{" + ",".join(members) + "}"


def plain(value):
    """Converts a value to the form that a column holds, if that is JSON."""
    if isinstance(value, BaseModel):
        named = {name: getattr(value, name) for name in type(value).model_fields}
        return plain({**named, **(value.__pydantic_extra__ or {})})
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, datetime.datetime):
        zone = "" if value.tzinfo is None and ZONE[0] == "naive" else "Z"
        value = value.astimezone(datetime.timezone.utc) if value.tzinfo else value
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + zone
    if isinstance(value, datetime.time):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise Unstorable
    if isinstance(value, (uuid.UUID, decimal.Decimal, ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return str(value)
    return value


class Unstorable(Exception):
    """JSON cannot hold the value."""


ZONE = [None]


def columns_of(made):
    """Yields the values that are columns of their own."""
    for value in made.__dict__.values():
        yield from value.__dict__.values() if isinstance(value, BaseModel) else [value]


def verdict(model, line, whole):
    """Returns Pydantic's verdict on a record, or None if it accepts a value that no column can hold."""
    try:
        made = model.model_validate_json(line)
    except pydantic.ValidationError as error:
        return sorted({f"{'.'.join(map(str, fault['loc']))} {fault['type']}" for fault in error.errors()})
    if whole and any(isinstance(value, int) and abs(value) >= 2**63 for value in columns_of(made)):
        raise Unstorable
    if model is Flat:
        columns = {"f": made.f, "ctx_user": made.ctx.user, "ctx_depth": made.ctx.depth, "ctx_tags": made.ctx.tags}
        columns |= {"other_n": made.other and made.other.n, "other_by": made.other and made.other.by, "g": made.g}
        return plain(columns)
    if whole:
        extra = {} if made.__pydantic_extra__ is None else {"extra": plain(made.__pydantic_extra__)}
        return {**{name: plain(getattr(made, name)) for name in model.model_fields}, **extra}
    return {"f": plain(made.f)}


def make(name, kind, value, strict=False, zone=None, kept=None):
    """Writes the file of one kind. With `kept`, the model only decides whether a value is valid; `kept` is what is stored."""
    whole = kind in (Open, Flat, Bare)
    model = kind if whole else pydantic.create_model("M", f=(kind, ...), __config__=ConfigDict(strict=strict))
    ZONE[0] = zone
    cases = []
    while len(cases) < COUNT:
        line = value() if whole else '{"f":' + value() + "}"
        # logmill refuses values that JSON cannot hold, even among members kept as JSON.
        if (kept or name.startswith("extra")) and any(word in line for word in ("NaN", "Infinity", "1e400")):
            continue
        try:
            said = verdict(model, line, whole)
            if kept:
                said = kept(line) if isinstance(said, dict) else []
            cases.append(json.dumps([line, said], separators=(",", ":"), ensure_ascii=False))
        except Unstorable:
            continue
    said = {"schema": model.model_json_schema(), "strict": strict} | ({"kept": True} if kept else {})
    head = json.dumps(said, separators=(",", ":"))
    (HERE / f"{name}.ndjson").write_text("\n".join([head, *cases]) + "\n")


def main():
    ints, words = mostly(lambda: draw.choice(ONES + NUMBERS)), mostly(lambda: draw.choice(TEXTS))
    make("int_enum", Level, ints)
    make("int_enum_strict", Level, ints, strict=True)
    make("mixed_enum", Mixed, scalar)
    make("literal_ints", Literal[1, 20, -3], ints)
    make("literal_mixed", Optional[Literal[1, "x", "it's", False, 12]], scalar)
    make("union_int_text", Union[int, str], scalar)
    make("union_text_int_strict", Union[str, int], scalar, strict=True)
    make("union_numbers", Union[int, float, bool], mostly(number))
    make("union_float_int", Optional[Union[Share, Small]], mostly(number))
    make("union_texts", Union[Literal["a", "x y"], Long, Lower], words)
    make("union_stamp_int_text", Union[datetime.datetime, int, str], mostly(stamp))
    make("union_times", Union[datetime.date, datetime.time, bool], mostly(stamp))
    make("union_uuid_text", Union[uuid.UUID, Long], mostly(uuid_text))
    make("union_literal_bool", Union[Literal[1, "x"], bool, float], scalar)
    make("union_enum_float", Union[Level, float], ints)
    make("dict_ints", dict[str, int], dictionary(number))
    make("dict_floats", dict[str, Optional[Share]], dictionary(number))
    make("dict_unions", dict[str, Union[int, str]], dictionary(scalar))
    make("dict_dicts", dict[str, dict[str, bool]], dictionary(lambda: keyed(scalar)))
    make("model_with_extra_of_ints", Counted, mostly(lambda: keyed(mostly(number))))
    make("uuid4", pydantic.UUID4, mostly(uuid_text))
    make("uuid7", Optional[pydantic.UUID7], mostly(uuid_text))
    make("uuid_list", list[pydantic.UUID1], lambda: "[" + ",".join(mostly(uuid_text)() for _ in range(draw.randrange(0, 3))) + "]")
    make("recursive", Node, lambda: deep() if draw.random() < 0.02 else node())
    make("recursive_pair", Left, left)
    make("extra", Open, open_record)
    make("extra_inner", OpenInner, mostly(lambda: keyed(scalar)))
    make("aware", Zoned, mostly(stamp))
    make("naive", Unzoned, mostly(stamp), zone="naive")
    make("flat", Flat, flat_record)
    make("union_nested", Union[Moment, int, Hour], mostly(lambda: draw.choice([stamp, number])()))
    make("union_nested_texts", Union[Word, Lower], words)
    make("bare", Bare, bare_record)
    make("json_model", pydantic.Json[Context], in_text(context))
    make("json_ints", Optional[pydantic.Json[list[int]]], in_text(lambda: "[" + ",".join(draw.choices(ONES, k=2)) + "]"))
    make("json_dict", pydantic.Json[dict[str, Optional[Share]]], in_text(lambda: keyed(number)))
    make("kept_union", Union[Context, Closed, list[int], dict[str, bool], int],
         mostly(lambda: draw.choice([context, closed, lambda: keyed(scalar), lambda: f"[{number()}]", number])()), kept=json.loads)
    make("kept_discriminated", Annotated[Union[Cat, Dog], Field(discriminator="kind")], mostly(animal), kept=json.loads)
    make("kept_tree", Tree, mostly(tree), kept=lambda _: {})


if __name__ == "__main__":
    main()
