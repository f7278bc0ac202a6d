"""Pydantic alone: validates every record and keeps none."""

from common import arguments, events

file, _, reject = arguments()
for _ in events(file, reject):
    pass
