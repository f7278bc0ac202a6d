"""orjson alone: parses every line and validates nothing."""

import orjson

from common import arguments

file, _, reject = arguments()
with open(file, "rb") as lines:
    for number, line in enumerate(lines, 1):
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError:
            reject(number)
