"""Every kind of field, with a thousand records each and what Pydantic made of them: tests/cases/models.

The test of the program takes the schemas that are written down there. Here they are made of the models.
"""

from __future__ import annotations

import importlib.util
import json
import pathlib
import sys
import typing
from typing import Any

import pydantic
import pytest

import logmill

MODELS = pathlib.Path(__file__).parent.parent.parent / "tests/cases/models"


def kinds() -> dict[str, type[pydantic.BaseModel]]:
    """Read the models off the script that has made the records."""
    spec = importlib.util.spec_from_file_location("make_models", MODELS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make: Any = importlib.util.module_from_spec(spec)
    # Where Pydantic looks for classes that are named before they are there.
    sys.modules[spec.name] = make
    spec.loader.exec_module(make)
    found: dict[str, type[pydantic.BaseModel]] = {}

    def note(
        name: str, kind: Any, value: object, strict: bool = False, zone: object = None, kept: object = None
    ) -> None:
        # Kept as JSON without a rule of their own: `on_unsupported` is a choice of a job, not of a model.
        if kept is not None:
            return
        is_whole = kind in (make.Open, make.Flat, make.Bare)
        config = pydantic.ConfigDict(strict=strict)
        found[name] = kind if is_whole else pydantic.create_model("M", f=(kind, ...), __config__=config)

    make.make = note
    make.main()
    return found


KINDS = kinds()


def test_all_kinds_are_there() -> None:
    names = {file.stem for file in MODELS.glob("*.ndjson")}
    assert {name for name in names if not name.startswith("kept_")} == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_judged_as_its_model_judges_it(name: str, tmp_path: pathlib.Path) -> None:
    lines = (MODELS / f"{name}.ndjson").read_text(encoding="utf-8").splitlines()[1:]
    cases = [json.loads(line) for line in lines]
    (tmp_path / "a.ndjson").write_text("".join(f"{record}\n" for record, _ in cases), encoding="utf-8")
    logmill.check("a.ndjson", model=typing.cast(Any, KINDS[name]), verdicts="out.ndjson")
    verdicts = [
        json.loads(line) for line in (tmp_path / "out.ndjson").read_text(encoding="utf-8").splitlines()
    ]
    assert len(verdicts) == len(cases) == 1000
    for (record, theirs), ours in zip(cases, verdicts, strict=True):
        told = sorted({f"{reason['field']} {reason['code']}" for reason in ours.get("reasons", [])})
        assert told == (theirs if isinstance(theirs, list) else []), record
