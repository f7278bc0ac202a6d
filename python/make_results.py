#!/usr/bin/env python3
"""Writes src/logmill/results.py from the manual, whose page on reports is made from the program itself.

With --check it only says whether the module is what it would write.
"""

import keyword
import pathlib
import re
import sys
from dataclasses import dataclass

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "src/manual/reports.md"
RESULTS = HERE / "src/logmill/results.py"

# The heading of a report, and the class that is made of it.
REPORTS = {
    "`load`": "Load",
    "`backfill`": "Backfill",
    "`check`": "Check",
    "`infer`": "Infer",
    "`plan`": "Plan",
    "`status`": "Status",
    "`dead-letters list`": "DeadLetters",
    "`dead-letters replay`": "Replay",
    "`verify`": "Verify",
    "A command that failed before there was anything else to report": "Bare",
}
PROGRESS = {"`--progress json`: a line": "Progress"}
HEAD = "How each begins"

# What a report says besides, so that the most frequent questions have short answers.
BESIDES = {
    "Load": "Lettered",
    "Backfill": "Counted",
    "Check": "Rejecting",
    "Progress": "Shown",
}
PLAIN = {"integer": "int", "number": "float", "text": "str", "boolean": "bool", "any": "Any"}


@dataclass
class Table:
    """A heading of the page with what it says of its fields."""

    doc: str
    fields: list[tuple[str, str, str]]


def tables(page: str) -> dict[str, Table]:
    """Read the tables off the page."""
    found: dict[str, Table] = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        heading, _, rest = section.partition("\n")
        doc = next((line for line in rest.splitlines() if line.strip()), "")
        rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.*) \|$", rest, flags=re.MULTILINE)
        if rows:
            found[heading] = Table(doc, rows)
    return found


def annotation(words: str) -> str:
    """The annotation for a type as the page has it."""
    if words.endswith(" or null"):
        return f"{annotation(words.removesuffix(' or null'))} | None"
    if words.startswith("list of "):
        return f"tuple[{annotation(words.removeprefix('list of '))}, ...]"
    linked = re.fullmatch(r"\[(\w+)\]\(#\w+\)", words)
    return linked[1] if linked else PLAIN[words]


def definition(cls: str, table: Table, base: str) -> str:
    """The class for a table."""
    lines = ["@dataclass(frozen=True, kw_only=True)", f"class {cls}({base}):"]
    lines += [f'    """{table.doc}"""', ""]
    # A value may have a field by one of several words, and then it is there only for some of them.
    counts = {field: sum(field == other for other, _, _ in table.fields) for field, _, _ in table.fields}
    seen = set()
    for field, words, meaning in table.fields:
        if field in seen:
            continue
        seen.add(field)
        is_partial = counts[field] > 1 or meaning.startswith("Of `") or field.endswith("_base64")
        noted = annotation(words)
        # An object of another version may lack it, and text that is all UTF-8 has no base64 beside.
        kind = noted if noted.endswith("None") or not is_partial else f"{noted} | None"
        default = " = None" if kind.endswith("None") else ""
        name = f"{field}_" if keyword.iskeyword(field) else field
        lines += [f"    {name}: {kind}{default}", f'    """{meaning}"""']
    return "\n".join(lines) + "\n"


def reachable(found: dict[str, Table], names: list[str]) -> list[str]:
    """The tables that these refer to, each behind those that it refers to."""
    order: list[str] = []

    def visit(name: str) -> None:
        for _, words, _ in found[name].fields:
            for inner in re.findall(r"\[(\w+)\]\(#", words):
                if inner not in order:
                    visit(inner)
        order.append(name)

    for name in names:
        visit(name)
    return order


def made() -> str:
    """All of the module."""
    found = tables(PAGE.read_text(encoding="utf-8"))
    headings = list(REPORTS) + list(PROGRESS)
    names = {**REPORTS, **PROGRESS}
    parts = [
        '"""What commands tell: frozen objects with the fields that the manual lists under Reports.\n\n'
        "Made by make_results.py, which a test holds it to.\n"
        '"""',
        "# Sentences of the manual are as long as they are.\n# ruff: noqa: E501",
        "from __future__ import annotations",
        "from dataclasses import dataclass\nfrom typing import Any",
        "from logmill._shape import Counted, Lettered, Read, Rejecting, Shown",
        definition("Report", found[HEAD], "Read"),
    ]
    for heading in reachable(found, headings):
        table = found[heading]
        name = names.get(heading, heading)
        bases = [BESIDES.get(name), "Report" if heading in REPORTS else "Read"]
        parts.append(definition(name, table, ", ".join(base for base in bases if base)))
    head, classes = parts[:5], parts[5:]
    return "\n\n".join(head) + "\n\n\n" + "\n\n".join(classes)


def main() -> int:
    """Write the module, or compare it."""
    text = made()
    if "--check" not in sys.argv[1:]:
        RESULTS.write_text(text, encoding="utf-8")
        return 0
    if RESULTS.read_text(encoding="utf-8") == text:
        return 0
    print(f"{RESULTS} is not what the manual says; run {__file__} to write it anew", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
