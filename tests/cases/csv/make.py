"""Generates rows.ndjson: hostile tables as Python's csv module writes them, and the rows it reads back.

python3 tests/cases/csv/make.py > tests/cases/csv/rows.ndjson
"""

import csv
import io
import json
import random
import sys

PIECES = ['"', '""', ",", ";", "\t", "|", "\n", "\r\n", "\n\n", "\r", " ", "a", "b c", "1", "ä", "日本", "\\", "\\n", "#", "'"]
DIALECTS = [
    {"delimiter": ","},
    {"delimiter": ";", "quoting": csv.QUOTE_ALL},
    {"delimiter": "\t", "quoting": csv.QUOTE_NONNUMERIC},
    {"delimiter": "|", "quotechar": "'"},
    {"delimiter": ",", "escapechar": "\\", "doublequote": False},
    {"delimiter": ",", "escapechar": "\\", "quoting": csv.QUOTE_ALL},
]


def value(chance):
    return "".join(chance.choice(PIECES) for _ in range(chance.choice([0, 0, 1, 1, 2, 3, 6])))


def main():
    chance = random.Random(5)
    for number in range(60):
        dialect = DIALECTS[number % len(DIALECTS)]
        width = chance.randint(2, 4)
        header = [f"c{n}" + value(chance) for n in range(width)]
        rows = [[value(chance) for _ in range(width)] for _ in range(chance.randint(1, 8))]
        # A row of only white space is a blank line to us, but a row to Python.
        for row in rows:
            if not "".join(row).strip() or chance.random() < 0.1:
                row[0] = "x"
            if chance.random() < 0.1:
                row.append("more")
        out = io.StringIO(newline="")
        # Unless the line end contains a carriage return, Python writes one unquoted and then reads it as a
        # line end. To us, a carriage return alone is not a line end.
        has_return = any("\r" in value for row in [header, *rows] for value in row)
        line_end = "\r\n" if has_return else chance.choice(["\n", "\r\n"])
        csv.writer(out, lineterminator=line_end, **dialect).writerows([header, *rows])
        text = out.getvalue()
        if chance.random() < 0.2:
            text = text.removesuffix(line_end)
        reading = {key: value for key, value in dialect.items() if key != "quoting"}
        read = list(csv.reader(io.StringIO(text, newline=""), **reading))
        case = {"delimiter": dialect["delimiter"], "quote": dialect.get("quotechar", '"')}
        case |= {"escape": dialect.get("escapechar"), "text": text, "rows": read}
        json.dump(case, sys.stdout, ensure_ascii=False)
        print()


main()
