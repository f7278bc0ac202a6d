"""msgspec alone: decodes every line into a struct and keeps none."""

from common import arguments, structs

file, _, reject = arguments()
for _ in structs(file, reject):
    pass
