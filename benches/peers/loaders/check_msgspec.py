"""msgspec alone: every line is decoded into a struct, and none is kept."""

from common import arguments, structs

file, _, reject = arguments()
for _ in structs(file, reject):
    pass
