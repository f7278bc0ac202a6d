"""Convert a model to a complete JSON Schema, or refuse it with a list of what cannot be enforced.

Pydantic's own schemas omit rules that JSON Schema cannot express: strictness, the digits of decimals, zones,
white space. These rules are in the metadata by which the model itself validates, and are added as
`x-logmill`. Only Python functions remain, which no other program can call; they are refused by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any

from logmill.errors import UnsupportedModel

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

# Factories whose value is always the same.
PLAIN_FACTORIES = (list, dict, str, int, float, bool)

# Where our words stand until the ones that a person has written there can be laid over them.
FOUND = "x-logmill-found"


def schema_of(model: type[Any] | Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the JSON Schema of a model, and whether its mode is strict.

    A JSON Schema is returned unchanged. Raises UnsupportedModel for rules that cannot be enforced.
    """
    if isinstance(model, Mapping):
        return dict(model), False
    try:
        from pydantic import PydanticInvalidForJsonSchema, TypeAdapter  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("a model needs Pydantic: pip install 'logmill-loader[pydantic]'") from error

    name = getattr(model, "__name__", str(model))
    generator = _generator()
    try:
        schema = TypeAdapter(model).json_schema(schema_generator=generator)
    except PydanticInvalidForJsonSchema as error:
        raise UnsupportedModel(name, [*generator.faults, str(error.message)]) from error
    if generator.faults:
        raise UnsupportedModel(name, generator.faults)
    _merge(schema)
    return schema, generator.is_strict


def _merge(node: Any) -> None:
    """Override what was found by what a person has written."""
    if isinstance(node, dict):
        if found := node.pop(FOUND, None):
            node["x-logmill"] = {**found, **node.get("x-logmill", {})}
        for inner in node.values():
            _merge(inner)
    elif isinstance(node, list):
        for inner in node:
            _merge(inner)


def _named(function: Any) -> str:
    """Return the name of a function for messages."""
    function = getattr(function, "func", function)
    # A function of Pydantic calls a predicate of annotated_types.
    for cell in getattr(function, "__closure__", None) or ():
        if isinstance(inner := getattr(cell.cell_contents, "func", None), FunctionType):
            return inner.__qualname__
    return str(getattr(function, "__qualname__", function))


def _generator() -> Any:
    """Create a generator for one schema. Its faults are on the class: Pydantic creates the instance."""
    from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, NoDefault  # noqa: PLC0415

    class Generator(GenerateJsonSchema):
        faults: list[str] = []  # noqa: RUF012
        is_strict = False

        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **kwargs)
            # The classes around a place, with their configuration, and whether each is strict.
            self.classes: list[tuple[str, Mapping[str, Any]]] = []
            self.names: list[str] = []
            self.field_names: dict[int, str] = {}

        # The current place, and its settings.

        def fault(self, what: str) -> None:
            place = ".".join([self.classes[-1][0] if self.classes else "", *self.names[-1:]]).strip(".")
            told = f"{place}: {what}" if place else what
            if told not in self.faults:
                self.faults.append(told)

        def config(self, name: str, default: Any = None) -> Any:
            return self.classes[-1][1].get(name, default) if self.classes else default

        def said(self, json: JsonSchemaValue, schema: Any, **words: Any) -> JsonSchemaValue:
            """Add rules that JSON Schema cannot express."""
            strict = schema.get("strict")
            strict = self.config("strict", False) if strict is None else strict
            if strict != type(self).is_strict:
                words["strict"] = strict
            words = {word: value for word, value in words.items() if value is not None}
            return {**json, FOUND: words} if words else json

        def refuse(self, schema: Any, **keys: str) -> None:
            """Refuse keys of a schema that would not be enforced."""
            for key, what in keys.items():
                if schema.get(key) not in (None, False):
                    self.fault(f"{what} is not enforced by logmill")

        # Classes and their fields.

        def within(self, schema: Any, generate: Callable[[Any], JsonSchemaValue]) -> JsonSchemaValue:
            cls, config = schema["cls"], schema.get("config", {})
            if not self.classes:
                type(self).is_strict = bool(config.get("strict", False))
            self.classes.append((cls.__name__, config))
            names, self.names = self.names, []
            for key in ("coerce_numbers_to_str", "str_to_upper"):
                if config.get(key):
                    self.fault(f"the setting {key} is not enforced by logmill")
            if config.get("val_temporal_unit", "infer") != "infer":
                self.fault("the setting val_temporal_unit is not enforced by logmill")
            if config.get("validate_by_name") and self.has_alias(schema["schema"]):
                self.fault("the setting validate_by_name: a field has one name in a record")
            if schema.get("custom_init"):
                self.fault("the method __init__ of its own cannot be called by logmill")
            init = schema.get("post_init")
            # With private attributes, Pydantic adds its own.
            if init and getattr(getattr(cls, init, None), "__name__", "") != "init_private_attributes":
                self.fault(f"the method {init} cannot be called by logmill")
            json = generate(schema)
            self.classes.pop()
            self.names = names
            return json

        def has_alias(self, schema: Any) -> bool:
            while "schema" in schema:
                schema = schema["schema"]
            fields = schema.get("fields", {})
            fields = fields.values() if isinstance(fields, dict) else fields
            return any("validation_alias" in field for field in fields)

        def model_schema(self, schema: Any) -> JsonSchemaValue:
            return self.within(schema, super().model_schema)

        def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
            return self.within(schema, super().dataclass_schema)

        def typed_dict_schema(self, schema: Any) -> JsonSchemaValue:
            self.know(schema["fields"])
            return self.within(schema, super().typed_dict_schema)

        def model_fields_schema(self, schema: Any) -> JsonSchemaValue:
            self.know(schema["fields"])
            return super().model_fields_schema(schema)

        def dataclass_args_schema(self, schema: Any) -> JsonSchemaValue:
            self.know({field["name"]: field for field in schema["fields"]})
            return super().dataclass_args_schema(schema)

        def know(self, fields: Mapping[str, Any]) -> None:
            self.field_names.update({id(field): name for name, field in fields.items()})

        def field(self, schema: Any, generate: Callable[[Any], JsonSchemaValue]) -> JsonSchemaValue:
            self.names.append(self.field_names.get(id(schema), ""))
            if not isinstance(schema.get("validation_alias", ""), str):
                self.fault("an alias that is a path or a choice: a field has one name in a record")
            json = generate(schema)
            self.names.pop()
            return json

        def model_field_schema(self, schema: Any) -> JsonSchemaValue:
            return self.field(schema, super().model_field_schema)

        def dataclass_field_schema(self, schema: Any) -> JsonSchemaValue:
            if not schema.get("init", True):
                self.fault(f"the field {schema['name']} has init=False: Pydantic takes it from no record")
            return self.field(schema, super().dataclass_field_schema)

        def typed_dict_field_schema(self, schema: Any) -> JsonSchemaValue:
            return self.field(schema, super().typed_dict_field_schema)

        # Functions.

        def function(self, schema: Any, generate: Callable[[Any], JsonSchemaValue]) -> JsonSchemaValue:
            function = schema["function"]["function"]
            # `use_enum_values` changes what Python sees, and a limit that is in the schema, too, is enforced.
            is_of_schema = "pydantic_js_updates" in schema.get("metadata", {})
            is_of_values = isinstance(function, operator.attrgetter) or "_literal_schema" in _named(function)
            if not (is_of_schema or is_of_values):
                self.fault(f"the validator {_named(function)} cannot be called by logmill")
                # Its inner schema is still checked, so that everything is reported at once.
                if "schema" not in schema:
                    return {}
            return generate(schema)

        def function_before_schema(self, schema: Any) -> JsonSchemaValue:
            return self.function(schema, super().function_before_schema)

        def function_after_schema(self, schema: Any) -> JsonSchemaValue:
            return self.function(schema, super().function_after_schema)

        def function_wrap_schema(self, schema: Any) -> JsonSchemaValue:
            return self.function(schema, super().function_wrap_schema)

        def function_plain_schema(self, schema: Any) -> JsonSchemaValue:
            return self.function(schema, super().function_plain_schema)

        def chain_schema(self, schema: Any) -> JsonSchemaValue:
            self.fault("validation in several steps is not enforced by logmill")
            return super().chain_schema(schema)

        # Defaults.

        def default_schema(self, schema: Any) -> JsonSchemaValue:
            if schema.get("on_error", "raise") != "raise":
                self.fault("a default in the place of a bad value is not enforced by logmill")
            return super().default_schema(schema)

        def get_default_value(self, schema: Any) -> Any:
            factory = schema.get("default_factory")
            if factory is None:
                return schema.get("default", NoDefault)
            if factory in PLAIN_FACTORIES:
                return factory()
            self.fault(
                f"the default_factory {_named(factory)} cannot be called by logmill; give it a default"
            )
            return NoDefault

        def emit_warning(self, kind: Any, detail: str) -> None:
            self.fault(detail)

        # Values.

        def int_schema(self, schema: Any) -> JsonSchemaValue:
            return self.said(super().int_schema(schema), schema)

        def bool_schema(self, schema: Any) -> JsonSchemaValue:
            return self.said(super().bool_schema(schema), schema)

        def float_schema(self, schema: Any) -> JsonSchemaValue:
            takes_infinity = schema.get("allow_inf_nan")
            if takes_infinity is None:
                takes_infinity = self.config("allow_inf_nan", True)
            return self.said(super().float_schema(schema), schema, finite=None if takes_infinity else True)

        def decimal_schema(self, schema: Any) -> JsonSchemaValue:
            json = super().decimal_schema(schema)
            # The numeric form of a decimal is not a field of its own.
            json["anyOf"][0].pop(FOUND, None)
            digits, places = schema.get("max_digits"), schema.get("decimal_places")
            takes_infinity = schema.get("allow_inf_nan")
            if self.config("allow_inf_nan") if takes_infinity is None else takes_infinity:
                self.fault("a decimal that may be infinite is not enforced by logmill")
            return self.said(json, schema, max_digits=digits, decimal_places=places)

        def str_schema(self, schema: Any) -> JsonSchemaValue:
            self.refuse(
                schema,
                to_upper="to_upper",
                coerce_numbers_to_str="coerce_numbers_to_str",
                ascii_only="ascii_only",
            )
            if getattr(schema.get("pattern"), "flags", 0) & ~32:
                self.fault(
                    "flags of a compiled pattern are not enforced by logmill; write them into it: (?i)"
                )
            pattern = schema.get("pattern")
            is_of_python = hasattr(pattern, "pattern") or self.config("regex_engine") == "python-re"
            if is_of_python and "$" in str(getattr(pattern, "pattern", pattern)):
                self.fault(
                    "in a pattern that Python compiles, $ also matches before a line end, which is not "
                    "enforced by logmill; use a pattern that is not compiled"
                )
            json = super().str_schema(schema)
            # Pydantic 2.13 and older leave the settings of a class out.
            for word, key in (("minLength", "str_min_length"), ("maxLength", "str_max_length")):
                if self.config(key):
                    json.setdefault(word, self.config(key))
            strip = schema.get("strip_whitespace", self.config("str_strip_whitespace"))
            lower = schema.get("to_lower", self.config("str_to_lower"))
            return self.said(json, schema, trim=strip or None, lower=lower or None)

        def temporal(self, format: str, schema: Any, **words: Any) -> JsonSchemaValue:  # noqa: A002
            for key in ("le", "ge", "lt", "gt", "now_op"):
                if key in schema:
                    what = "past and future depend on the clock" if key == "now_op" else f"a limit ({key})"
                    self.fault(f"{what}: this is not enforced by logmill for a {format}")
            if schema.get("microseconds_precision", "truncate") != "truncate":
                self.fault("microseconds_precision is not enforced by logmill")
            return self.said({"type": "string", "format": format}, schema, **words)

        def date_schema(self, schema: Any) -> JsonSchemaValue:
            return self.temporal("date", schema)

        def time_schema(self, schema: Any) -> JsonSchemaValue:
            if schema.get("tz_constraint") is not None:
                self.fault("the zone of a time of day is not enforced by logmill")
            return self.temporal("time", schema)

        def datetime_schema(self, schema: Any) -> JsonSchemaValue:
            zone = {None: None, "aware": "required", "naive": "naive"}
            constraint = schema.get("tz_constraint")
            if constraint not in zone:
                self.fault("one offset for all times is not enforced by logmill")
            return self.temporal("date-time", schema, zone=zone.get(constraint))

        def uuid_schema(self, schema: Any) -> JsonSchemaValue:
            return self.said(super().uuid_schema(schema), schema)

        def dict_schema(self, schema: Any) -> JsonSchemaValue:
            json = super().dict_schema(schema)
            # The schema says something about the keys only if they are texts; all others stand for any text.
            keys = _innermost(schema.get("keys_schema", {"type": "any"}))
            if keys not in ("any", "str") and not {"propertyNames", "patternProperties"} & set(json):
                self.fault(f"keys of the type {keys} in a dictionary are not enforced by logmill")
            return json

        def enum_schema(self, schema: Any) -> JsonSchemaValue:
            if missing := schema.get("missing"):
                self.fault(f"the method {_named(missing)} cannot be called by logmill")
            return self.said(super().enum_schema(schema), schema)

        def union_schema(self, schema: Any) -> JsonSchemaValue:
            if schema.get("mode", "smart") != "smart":
                self.fault("a union from left to right is not enforced by logmill")
            kinds = {_kind(choice) for choice in schema["choices"]} - {"none"}
            if kinds == {"float", "str"} or ("decimal" in kinds and len(kinds) > 1):
                self.fault(f"a union of {' and '.join(sorted(kinds))}: its schema is that of a decimal")
            return super().union_schema(schema)

    return Generator


def _innermost(schema: Any) -> str:
    """Return the word for a type, whatever functions are around it."""
    while "schema" in schema:
        schema = schema["schema"]
    return str(schema["type"])


def _kind(choice: CoreSchema | tuple[CoreSchema, str]) -> str:
    """Return the word for one of several types."""
    schema = choice[0] if isinstance(choice, tuple) else choice
    return str(schema["type"])
