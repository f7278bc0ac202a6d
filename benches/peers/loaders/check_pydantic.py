"""Pydantic alone: every record is validated, and none is kept."""

from common import arguments, events

file, _, reject = arguments()
for _ in events(file, reject):
    pass
