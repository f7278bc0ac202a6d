"""Models: what is carried over is judged as Pydantic judges it, and what cannot be is refused by name."""

from __future__ import annotations

import datetime
import decimal
import enum
import ipaddress
import json
import pathlib
import re
import uuid
from typing import Annotated, Any, Literal

import annotated_types
import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NaiveDatetime,
    PastDatetime,
    PrivateAttr,
    StrictInt,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict

import logmill
from conftest import Write
from logmill.model import schema_of


class Level(enum.Enum):
    INFO = "INFO"
    WARN = "WARN"


class Inner(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    user: Annotated[str, Field(min_length=1)]
    depth: int | None = None


class Lax(BaseModel):
    """Everything that is in a schema, and everything that is not."""

    at: AwareDatetime
    local: NaiveDatetime = datetime.datetime(2024, 1, 2)
    level: Level
    kind: Literal["a", "b"] = "a"
    cost: Annotated[decimal.Decimal, Field(max_digits=6, decimal_places=2)]
    ratio: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    count: StrictInt
    maybe: Annotated[int | None, Field(strict=True)] = None
    word: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=2)] = "ab"
    ident: uuid.UUID | None = None
    host: ipaddress.IPv4Address | None = None
    tags: list[str] = Field(default_factory=list, max_length=2)
    inner: Inner | None = None
    more: dict[str, Any] = {}


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, str_strip_whitespace=True, allow_inf_nan=False)
    n: int
    x: float = 0.0
    relaxed: Annotated[int, Field(strict=False)] = 0
    name: str = ""


@dataclass
class Plain:
    n: Annotated[int, Field(gt=0)]
    s: str = "x"


class Typed(TypedDict):
    n: int
    s: str


GOOD = {"at": "2024-02-29T12:00:00Z", "level": "INFO", "cost": "1.50", "count": 1}
LAX = [
    GOOD,
    {**GOOD, "at": "2024-02-29T12:00:00"},
    {**GOOD, "local": "2024-02-29T12:00:00"},
    {**GOOD, "local": "2024-02-29T12:00:00Z"},
    {**GOOD, "level": "NONE"},
    {**GOOD, "kind": "c"},
    *({**GOOD, "cost": cost} for cost in ("1.234", "12345.6", "9999.99", 3, "x", "NaN", "1e2")),
    *({**GOOD, "ratio": ratio} for ratio in (-1, "0.5", "inf", "nan", 1e308)),
    *({**GOOD, "count": count} for count in ("1", 1.0, True, 2**40)),
    *({**GOOD, "maybe": maybe} for maybe in ("1", None, 2)),
    *({**GOOD, "word": word} for word in ("  ABC  ", " a ", 7)),
    *({**GOOD, "ident": ident} for ident in ("00112233-4455-6677-8899-aabbccddeeff", "x")),
    *({**GOOD, "host": host} for host in ("10.0.0.1", "::1")),
    *({**GOOD, "tags": tags} for tags in (["a"], ["a", "b", "c"], [1], "a")),
    *(
        {**GOOD, "inner": inner}
        for inner in ({"user": "u"}, {"user": ""}, {"user": "u", "depth": "1"}, {"user": "u", "x": 1})
    ),
    {**GOOD, "more": {"a": [1, {"b": None}]}},
    {**GOOD, "more": 1},
    {"level": "INFO"},
]
STRICT = [
    {"n": 1},
    {"n": "1"},
    {"n": 1.0},
    {"n": 1, "x": "1.0"},
    {"n": 1, "x": 1},
    {"n": 1, "relaxed": "7"},
    {"n": 1, "name": "  a  "},
    {"n": 1, "name": 5},
]
SMALL = [{"n": 1, "s": "a"}, {"n": 0, "s": "a"}, {"n": "2", "s": "b"}, {"s": "c"}, {"n": 1, "s": 2}]


@pytest.mark.parametrize(
    ("model", "records"),
    [(Lax, LAX), (Strict, STRICT), (Plain, SMALL), (Typed, SMALL)],
    ids=["lax", "strict", "dataclass", "typed dict"],
)
def test_records_are_judged_as_the_model_judges_them(
    model: type[Any], records: list[dict[str, Any]], write: Write, tmp_path: pathlib.Path
) -> None:
    file = write("a.ndjson", *records)
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    checked = logmill.check(file, model=model, verdicts="out.ndjson")
    verdicts = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert len(verdicts) == len(records) == checked.records
    for record, ours in zip(records, verdicts, strict=True):
        try:
            adapter.validate_json(json.dumps(record))
            theirs = set()
        except ValidationError as error:
            theirs = {(".".join(map(str, fault["loc"])), fault["type"]) for fault in error.errors()}
        told = {(reason["field"], reason["code"]) for reason in ours.get("reasons", [])}
        assert told == theirs, record
    assert checked.rejected == sum(not verdict["valid"] for verdict in verdicts) > 0


def test_values_are_those_of_the_model(write: Write, tmp_path: pathlib.Path) -> None:
    file = write("a.ndjson", {**GOOD, "word": "  ABC ", "cost": "1.5"})
    logmill.check(file, model=Lax, verdicts="out.ndjson")
    values = json.loads((tmp_path / "out.ndjson").read_text())["values"]
    theirs = Lax.model_validate_json(json.dumps({**GOOD, "word": "  ABC ", "cost": "1.5"}))
    assert values["word"] == theirs.word == "abc"
    assert decimal.Decimal(values["cost"]) == theirs.cost
    assert values["local"] == "2024-01-02T00:00:00.000000"
    assert values["tags"] == []


def test_what_a_person_has_said_wins_and_the_rest_is_added() -> None:
    class Model(BaseModel):
        s: Annotated[
            str,
            StringConstraints(strip_whitespace=True),
            Field(strict=True, json_schema_extra={"x-logmill": {"trim": False}}),
        ]

    schema, is_strict = schema_of(Model)
    assert schema["properties"]["s"]["x-logmill"] == {"strict": True, "trim": False}
    assert not is_strict


def _shout(value: str) -> str:
    return value.upper()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


class Refused(BaseModel):
    model_config = ConfigDict(populate_by_name=True, str_to_upper=True)
    before: Annotated[int, BeforeValidator(int)]
    after: Annotated[str, AfterValidator(_shout)]
    checked: str
    past: PastDatetime
    late: Annotated[datetime.date, annotated_types.Gt(datetime.date(2020, 1, 1))]
    even: Annotated[int, annotated_types.Predicate(lambda n: n % 2 == 0)]
    made: datetime.datetime = Field(default_factory=_now)
    other: Annotated[int, Field(alias="theOther")] = 1
    many: Annotated[int, Field(validation_alias=AliasChoices("a", "b"))] = 1
    upper: Annotated[str, StringConstraints(to_upper=True)] = ""
    loose: float | str = 0
    flagged: Annotated[str, Field(pattern=re.compile("a", re.IGNORECASE))] = "a"
    ordered: Annotated[int | str, Field(union_mode="left_to_right")] = 1
    _private: int = PrivateAttr(0)

    @field_validator("checked")
    @classmethod
    def is_nice(cls, value: str) -> str:
        return value

    @model_validator(mode="after")
    def fits(self) -> Refused:
        return self


def test_what_cannot_be_enforced_is_refused_by_name_all_at_once() -> None:
    with pytest.raises(logmill.UnsupportedModel) as refused:
        schema_of(Refused)
    faults = refused.value.faults
    for place, what in [
        ("", "Refused.fits"),
        ("Refused", "validate_by_name"),
        ("Refused", "str_to_upper"),
        ("Refused.before", "the validator int "),
        ("Refused.after", "_shout"),
        ("Refused.checked", "Refused.is_nice"),
        ("Refused.past", "clock"),
        ("Refused.late", "a limit (gt)"),
        ("Refused.even", "<lambda>"),
        ("Refused.made", "_now"),
        ("Refused.many", "alias"),
        ("Refused.upper", "to_upper"),
        ("Refused.loose", "float and str"),
        ("Refused.flagged", "flags"),
        ("Refused.ordered", "left to right"),
    ]:
        assert any(fault.startswith(place) and what in fault for fault in faults), (place, what, faults)
    assert len(faults) == 15, faults
    assert "15 things cannot be enforced" in str(refused.value)


class Odd(BaseModel):
    """Rules that have no word in the schema, and look like others that have one."""

    model_config = ConfigDict(allow_inf_nan=True)
    cost: decimal.Decimal = decimal.Decimal(0)
    counts: dict[int, int] = {}
    either: dict[int | str, int] = {}
    ended: Annotated[str, Field(pattern=re.compile("^a$"))] = "a"


class OfPython(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")
    ended: Annotated[str, Field(pattern="^a$")]
    begun: Annotated[str, Field(pattern="^a")]


@dataclass
class Uninitialised:
    n: int
    made: int = Field(default=3, init=False)


def test_rules_without_a_word_in_the_schema_are_refused_and_not_dropped() -> None:
    for model, places in [
        (Odd, ["Odd.cost", "Odd.counts", "Odd.either", "Odd.ended"]),
        (OfPython, ["OfPython.ended"]),
        (Uninitialised, ["Uninitialised: the field made"]),
    ]:
        with pytest.raises(logmill.UnsupportedModel) as refused:
            schema_of(model)
        faults = refused.value.faults
        assert len(faults) == len(places), faults
        assert all(fault.startswith(place) for fault, place in zip(faults, places, strict=True)), faults

    class Keyed(BaseModel):
        plain: dict[str, int]
        of_words: dict[Literal["a", "b"], int]

    # A rule that the schema has is the command's to enforce or refuse.
    assert "propertyNames" in schema_of(Keyed)[0]["properties"]["of_words"]


def test_lengths_of_all_texts_of_a_class_are_carried_over() -> None:
    class Short(BaseModel):
        model_config = ConfigDict(str_max_length=3, str_min_length=1)
        a: str
        b: Annotated[str, Field(max_length=5)]

    properties = schema_of(Short)[0]["properties"]
    assert (properties["a"]["minLength"], properties["a"]["maxLength"]) == (1, 3)
    assert (properties["b"]["minLength"], properties["b"]["maxLength"]) == (1, 5)


def test_methods_that_run_after_are_refused_and_private_attributes_are_not() -> None:
    class Private(BaseModel):
        n: int
        _seen: int = PrivateAttr(0)

    schema_of(Private)

    class After(BaseModel):
        n: int

        def model_post_init(self, context: Any) -> None:
            self.n += 1

    class AfterPrivate(After):
        _seen: int = PrivateAttr(0)

    class Init(BaseModel):
        n: int

        def __init__(self, **data: Any):
            super().__init__(**data)

    for model, what in [(After, "model_post_init"), (AfterPrivate, "model_post_init"), (Init, "__init__")]:
        with pytest.raises(logmill.UnsupportedModel, match=what):
            schema_of(model)


def test_what_only_the_command_finds_unsupported_is_refused_by_it(write: Write) -> None:
    class Sets(BaseModel):
        n: set[int]

    with pytest.raises(logmill.Refused, match="uniqueItems"):
        logmill.check(write("a.ndjson", {"n": [1]}), model=Sets)


def test_a_json_schema_is_a_model(write: Write) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    checked = logmill.check(write("a.ndjson", {"n": 1}, {"n": "x"}), model=schema)
    assert (checked.valid, checked.rejected) == (1, 1)
