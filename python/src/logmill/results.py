"""What commands tell: frozen objects with the fields that the manual lists under Reports.

Made by make_results.py, which a test holds it to.
"""

# Sentences of the manual are as long as they are.
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from logmill._shape import Counted, Lettered, Read, Rejecting, Shown


@dataclass(frozen=True, kw_only=True)
class Report(Read):
    """The fields that every report begins with."""

    schema_version: int
    """The version of the object."""
    command: str
    """The command."""
    job: str | None = None
    """The name of the job, if there was one."""
    run: int | None = None
    """The id of the run, if the destination was written to."""
    outcome: str
    """One word for its outcome."""
    exit_code: int
    """The exit code."""


@dataclass(frozen=True, kw_only=True)
class CandidateShare(Read):
    """A format that was tried."""

    format: str
    """Its name."""
    explained: int
    """Lines of the samples that it explains."""
    lines: int
    """The number of sampled lines."""


@dataclass(frozen=True, kw_only=True)
class InferredField(Read):
    """An inferred field."""

    name: str
    """Its name."""
    from_: tuple[str, ...]
    """The keys that lead to it in a record."""
    type: str
    """The name of its type."""
    required: bool
    """Whether every record has it."""
    nullable: bool
    """Whether it may be null."""
    note: str
    """The evidence."""


@dataclass(frozen=True, kw_only=True)
class Inferred(Read):
    """What a job was inferred from."""

    records: int
    """Records that were seen."""
    malformed: int
    """Lines that are not records."""
    bytes_read: int
    """Bytes that were read, in compressed size."""
    bytes: int
    """Bytes of all files, in compressed size; 0 if only reading will tell."""
    all: bool
    """Whether everything was read."""
    files: int
    """The number of files with records."""
    candidates: tuple[CandidateShare, ...]
    """The formats that were tried, with how much of the samples each explains; the chosen one first."""
    fields: tuple[InferredField, ...]
    """The fields."""
    warnings: tuple[str, ...]
    """Notices."""


@dataclass(frozen=True, kw_only=True)
class OtherRules(Read):
    """Files that were loaded under other rules (format, fields, key) than the current ones."""

    files: int
    """Their number."""
    open_dead_letters: int
    """Their open dead letters."""


@dataclass(frozen=True, kw_only=True)
class Duplicate(Read):
    """A file with the same content as another."""

    file: str
    """The file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    same_as: str
    """The other."""


@dataclass(frozen=True, kw_only=True)
class FirstLetter(Read):
    """The first dead letter of a kind."""

    id: int | None = None
    """Its id; absent if it was part of a rebuild that was given up."""
    file: str
    """The name of its source."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    line: int | None = None
    """The number of its first line in its source, counted from one. Absent while an earlier part of the source is not loaded."""
    line_of_split: int | None = None
    """The number in its split, if the number in the source is unknown."""
    split_start: int | None = None
    """The offset where that split begins."""


@dataclass(frozen=True, kw_only=True)
class ReasonCount(Read):
    """A reason of open dead letters."""

    code: str
    """The code."""
    field: str
    """The field it is about; empty for the record as a whole."""
    count: int
    """The number of open dead letters with this reason."""
    oldest: str
    """When the oldest of them was first seen."""
    newest: str
    """When the newest of them was first seen."""
    first: FirstLetter
    """The first of them."""


@dataclass(frozen=True, kw_only=True)
class GivenUpFile(Read):
    """A file with more dead letters than `stop_above` allows. Nothing after the place where that was determined is loaded."""

    file: str
    """The file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    records: int
    """Its loaded records, including dead letters; in a rebuild, those before it was undone."""
    open_dead_letters: int
    """Its open dead letters, from this run or an earlier one; in a rebuild, those that it would have had."""
    reasons: tuple[ReasonCount, ...]
    """Their reasons, the most frequent first; only for the first ten such files."""


@dataclass(frozen=True, kw_only=True)
class FailedFile(Read):
    """A file that could not be read or loaded."""

    file: str
    """The file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    why: str
    """The reason, and what to do."""


@dataclass(frozen=True, kw_only=True)
class LoadSources(Read):
    """The results of the sources of a load."""

    loaded: int
    """Loaded to their end."""
    splits: int
    """Splits that were loaded to their end, of sources with several splits."""
    waiting: int
    """Loaded up to a last line that is still being written."""
    finished_before: int
    """Finished before."""
    other_rules: OtherRules | None = None
    """Those of them that were loaded under other rules than the current ones."""
    duplicates: tuple[Duplicate, ...]
    """Skipped, because another file has the same content."""
    given_up: tuple[GivenUpFile, ...]
    """Given up, because they have too many dead letters."""
    failed: tuple[FailedFile, ...]
    """Not loaded."""


@dataclass(frozen=True, kw_only=True)
class Notice(Read):
    """A notice about a file."""

    file: str
    """The file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    notice: str
    """The notice."""


@dataclass(frozen=True, kw_only=True)
class Counts(Read):
    """The results of the lines and records of a source. Signed, because a checkpoint's counters can also decrease, when a line is read again."""

    lines: int
    """Lines of any kind."""
    blank: int
    """Lines that are blank."""
    skipped: int
    """Lines that are not records in their format: headers, directives."""
    records: int
    """Records, whatever their result."""
    inserted: int
    """New rows."""
    updated: int
    """Rows that replaced an existing row."""
    unchanged: int
    """Rows that already existed."""
    superseded: int
    """Rows that lost to a later row with the same key."""
    rejected: int
    """Records that did not become rows."""


@dataclass(frozen=True, kw_only=True)
class Rebuilt(Read):
    """The effects of a rebuild besides loading."""

    rows_removed: int
    """Rows that were deleted."""
    dead_letters_superseded: int
    """Dead letters that are superseded."""
    sources_removed: int
    """Sources that were removed because their file no longer exists."""
    discarded_again: int
    """Letters that recurred unchanged, and stay discarded."""
    mended_again: int
    """Letters whose record is a row again by the bytes that a person had mended."""
    undone: int
    """Decisions about letters that no longer apply: discarded letters that recurred differently or are rows now, and replayed ones that are open again."""


@dataclass(frozen=True, kw_only=True)
class Delivery(Read):
    """The result of a delivery of dead letters."""

    to: str
    """The target, without secrets."""
    delivered: int
    """The number of letters that this run has delivered."""
    error: str | None = None
    """What prevented the delivery of all letters, and what to do."""


@dataclass(frozen=True, kw_only=True)
class FailedMetric(Read):
    """A metric that could not be computed."""

    date: str
    """Its date."""
    metric: str
    """Its name."""
    why: str
    """The error from the destination."""


@dataclass(frozen=True, kw_only=True)
class LoadRollups(Read):
    """The results of metrics at the end of a load."""

    dates: int
    """The number of computed dates."""
    failed: tuple[FailedMetric, ...]
    """Metrics that could not be computed."""


@dataclass(frozen=True, kw_only=True)
class Place(Read):
    """The place of a record."""

    file: str
    """Its file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    line: int | None = None
    """The number of its first line in its source, counted from one. Absent while an earlier part of the source is not loaded."""
    line_of_split: int | None = None
    """The number in its split, if the number in the source is unknown."""
    split_start: int | None = None
    """The offset where that split begins."""
    offset: int
    """The offset of its first byte."""


@dataclass(frozen=True, kw_only=True)
class Reason(Read):
    """A reason of rejects."""

    code: str
    """The code of the reason."""
    field: str
    """The field; empty for the record as a whole."""
    count: int
    """The number of records with this reason."""
    first: Place
    """The first of them."""


@dataclass(frozen=True, kw_only=True)
class Times(Read):
    """How the time was spent, in seconds. Each value belongs to one thread, or to the average of several lanes; they overlap."""

    writer_waited: float
    """The writer waited for workers."""
    commit: float
    """The destination worked."""
    work: float
    """The workers worked, in total."""
    plan: float
    """The planner read and cut."""


@dataclass(frozen=True, kw_only=True)
class Load(Lettered, Report):
    """The result of a load."""

    job_file: str
    """The job file."""
    inferred: Inferred | None = None
    """What the job was inferred from, if this command inferred it."""
    destination: str
    """The destination, without secrets."""
    stop_above: str | None = None
    """The limit of dead letters above which a source was given up, as `1000` or `5%`."""
    sources: LoadSources
    """The results of the sources."""
    notices: tuple[Notice, ...]
    """Notices about files that were read."""
    counts: Counts
    """The results of this run's records."""
    rebuilt: Rebuilt | None = None
    """The other effects of a rebuild; null if this was not one, or if nothing was changed."""
    altered_values: int
    """Values that were stored without a NUL that the record has."""
    unsure_stamps: int
    """Timestamps without a zone that occurred twice or not at all in `timezone`."""
    bytes: int
    """Bytes that were read and committed, decompressed."""
    raw_bytes: int
    """The same in the files, in compressed size."""
    batches: int
    """The number of committed batches."""
    lanes: int
    """The number of lanes."""
    open_dead_letters: int | None = None
    """Open dead letters of the selected sources, from this run or an earlier one; null if the run failed before it could look them up."""
    open_dead_letters_of_job: int | None = None
    """Open dead letters of the whole job."""
    undelivered: int | None = None
    """Open dead letters of the job that are not delivered; null if the job delivers none, or if they could not be counted."""
    delivery: Delivery | None = None
    """The result of the delivery at the end, if there was one."""
    rollups: LoadRollups
    """The results of the metrics of dates, if the job has any."""
    reasons: tuple[Reason, ...]
    """The reasons of rejects, the most frequent first."""
    seconds: float
    """How long it took."""
    times: Times
    """How the time was spent."""
    error: str | None = None
    """The error that ended the run, if any. Everything committed before is complete."""
    error_kind: str | None = None
    """The kind of the error."""


@dataclass(frozen=True, kw_only=True)
class BackfillDate(Read):
    """A day of a backfill."""

    date: str
    """The day."""
    state: str
    """Its state: `absent`, `partial`, `done` or `failed`; `due` if it is to be loaded."""
    was_due: bool
    """Whether it was due, and not done before."""
    files: int
    """The number of its files."""
    bytes: int
    """The bytes to read according to the plan, in compressed size."""
    run: int | None = None
    """The id of its run."""
    exit_code: int | None = None
    """The exit code of a load of this day."""
    counts: Counts
    """The results of that run's records."""
    open_dead_letters: int
    """Open dead letters of its sources."""
    other_rules: bool
    """Whether any of it was loaded under other rules than the job has now."""
    seconds: float
    """How long its run took."""
    reason: str | None = None
    """Why it is not done."""


@dataclass(frozen=True, kw_only=True)
class Backfill(Counted, Report):
    """The result of a backfill; with `--dry-run`, its plan."""

    destination: str
    """The destination, without secrets."""
    dry_run: bool
    """Whether this is only a plan."""
    dates: tuple[BackfillDate, ...]
    """The days, in order."""
    counts: Counts
    """The results of the records of all days."""
    rollups: LoadRollups
    """The results of the metrics of dates, if the job has any."""
    seconds: float
    """How long it took."""
    error: str | None = None
    """The error that ended it, if any."""
    error_kind: str | None = None
    """The kind of the error."""


@dataclass(frozen=True, kw_only=True)
class CheckSources(Read):
    """The results of the sources of a check."""

    checked: int
    """Checked to their end."""
    waiting: int
    """Checked up to a last line that is still being written."""
    failed: tuple[FailedFile, ...]
    """Not checked."""


@dataclass(frozen=True, kw_only=True)
class CheckCounts(Read):
    """The results of checked records."""

    lines: int
    """All lines."""
    blank: int
    """Empty lines."""
    skipped: int
    """Lines that are not records: headers, comments."""
    records: int
    """Records."""
    valid: int
    """Records that would become rows, or be refused by the destination."""
    rejected: int
    """Records that would become dead letters."""


@dataclass(frozen=True, kw_only=True)
class Check(Rejecting, Report):
    """The result of a check."""

    job_file: str | None = None
    """The job file, if there is one."""
    inferred: Inferred | None = None
    """What the job was inferred from, if this command inferred it."""
    sources: CheckSources
    """The results of the sources."""
    notices: tuple[Notice, ...]
    """Notices about files that were read."""
    counts: CheckCounts
    """The results of the records."""
    altered_values: int
    """Values that a load would store without a NUL of the record."""
    unsure_stamps: int
    """Timestamps without a zone that occurred twice or not at all in `timezone`."""
    bytes: int
    """Bytes that were read, decompressed."""
    reasons: tuple[Reason, ...]
    """The reasons of rejects, the most frequent first."""
    sample: tuple[Any, ...]
    """The first valid records, as a load would store them."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, kw_only=True)
class Infer(Report):
    """An inferred job."""

    job_file: str | None = None
    """The job file that was written."""
    text: str | None = None
    """Its contents, if it was not written."""
    inferred: Inferred
    """What it was inferred from."""


@dataclass(frozen=True, kw_only=True)
class PlannedFile(Read):
    """What would be done with a file."""

    file: str
    """The file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    action: str
    """One of `read`, `leave_out`, `refuse`."""
    position: int | None = None
    """Of `read`: The position where reading begins."""
    bytes: int | None = None
    """Of `read`: The number of bytes of the file; null if only reading will tell."""
    why: str | None = None
    """Of `leave_out`: The reason."""


@dataclass(frozen=True, kw_only=True)
class PlannedSplit(Read):
    """A split that remains to be loaded."""

    id: str
    """Its id: `SOURCE-START`."""
    source: str
    """The file of its source."""
    source_base64: str | None = None
    """The bytes of `source` as base64, where they are not all UTF-8."""
    start: int
    """Where it begins in the source."""
    end: int | None = None
    """Where it ends; null if only reading will tell."""
    bytes: int
    """The number of bytes to read, in compressed size."""


@dataclass(frozen=True, kw_only=True)
class WholeFile(Read):
    """A file that is always one split."""

    file: str
    """The file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    why: str
    """The reason."""


@dataclass(frozen=True, kw_only=True)
class Guarantee(Read):
    """A guarantee."""

    what: str
    """Its subject."""
    holds: str
    """The guarantee."""


@dataclass(frozen=True, kw_only=True)
class Pace(Read):
    """The expected speed of a load, from measurements of this job."""

    bytes: int
    """Bytes to read, decompressed, as far as known."""
    file: str
    """The file of which the beginning was parsed for this,"""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    sample_bytes: int
    """and so many bytes of it, decompressed."""
    parsed_per_second: int
    """Bytes per second that a core parses and checks."""
    stored_per_second: int | None = None
    """Bytes per second that the destination took in the best of the job's last loads; null if none was long enough to tell."""
    cores: float | None = None
    """The number of cores that keep the destination busy."""
    seconds: float | None = None
    """The duration of a load, in seconds."""
    advice: str
    """The conclusion, in words: whether more cores or machines help, and when a bucket is better."""


@dataclass(frozen=True, kw_only=True)
class Plan(Report):
    """What a load would do."""

    destination: str
    """The destination, without secrets."""
    sources: tuple[PlannedFile, ...]
    """What would be done with each file."""
    other_rules: OtherRules | None = None
    """Those of them that were loaded under other rules than the current ones."""
    splits: tuple[PlannedSplit, ...]
    """The splits that remain to be loaded, of sources that the destination knows."""
    whole: tuple[WholeFile, ...]
    """The files that cannot be cut, if that was requested."""
    target_exists: bool
    """Whether the target exists."""
    would_make: tuple[str, ...]
    """What would be created first, in words."""
    obstacles: tuple[str, ...]
    """The obstacles before the first row, each with a remedy."""
    warnings: tuple[str, ...]
    """Warnings that would not stop it."""
    held: str | None = None
    """A source that a live run holds, with its holder."""
    key: str
    """What identifies a row."""
    guarantees: tuple[Guarantee, ...]
    """The guarantees."""
    pace: Pace | None = None
    """The expected speed; null if less than 64 MiB remain to be read, or if no file can be measured."""
    sql: str | None = None
    """The statements that would be run first, on request."""


@dataclass(frozen=True, kw_only=True)
class OwnerStatus(Read):
    """The owner of a source."""

    run: int
    """The run."""
    pid: int
    """The server process, or the process on this machine."""
    alive: bool
    """Whether it is still alive."""


@dataclass(frozen=True, kw_only=True)
class SourceStatus(Read):
    """The state of a source."""

    id: int
    """Its id."""
    name: str
    """The name under which it was last seen."""
    name_base64: str | None = None
    """The bytes of `name` as base64, where they are not all UTF-8."""
    data_date: str | None = None
    """Its data date."""
    size: int
    """Its size when it was last seen."""
    position: int
    """How many of its bytes are committed."""
    complete: bool
    """Whether that is its end."""
    containers: tuple[int, ...]
    """The compressed sizes of the archives in which it was seen."""
    counts: Counts
    """What became of its records."""
    open_dead_letters: int
    """Its open dead letters."""
    other_rules: bool
    """Whether part of it was loaded under other rules (format, fields, key) than those of the job."""
    owner: OwnerStatus | None = None
    """The owner, and whether it is alive."""
    updated_at: str
    """When its checkpoint last moved."""


@dataclass(frozen=True, kw_only=True)
class DateStatus(Read):
    """A day of a job."""

    date: str
    """The day."""
    state: str
    """`absent`, `partial`, `done` or `failed`."""
    open_dead_letters: int
    """How many dead letters of its sources are open."""
    other_rules: bool
    """Whether any of it was loaded under other rules than the job has now."""
    reason: str | None = None
    """Why it failed."""


@dataclass(frozen=True, kw_only=True)
class LaneStatus(Read):
    """The progress of a lane when it last committed."""

    lane: int
    """Its number in the run, from zero."""
    records: int
    """Records that it had committed, including rejects."""
    rejected: int
    """Rejects among them."""
    bytes: int
    """Bytes of its files that it had committed, in compressed size."""
    bytes_total: int
    """Bytes to be read, except for streams, whose size is unknown."""
    records_per_second: int
    """Records per second, over the last few seconds."""
    bytes_per_second: int
    """Bytes per second, over the last few seconds."""


@dataclass(frozen=True, kw_only=True)
class Activity(Read):
    """The server's view of a connection of a run."""

    pid: int
    """Its process on the server."""
    state: str
    """One word: `working`; `lock`, `standby` or `server`, if it waits for one; `client`, if the server waits for the run; `unknown`, if this role may not see it."""
    since: str | None = None
    """Since when."""
    wait_event: str | None = None
    """What it waits for, in the server's words: `Lock:transactionid`."""
    blocked_by: tuple[int, ...]
    """The processes that hold the lock."""


@dataclass(frozen=True, kw_only=True)
class RunStatus(Read):
    """A run."""

    id: int
    """Its id."""
    command: str
    """The command."""
    started_at: str
    """When it began."""
    ended_at: str | None = None
    """When it ended; absent if it is still running or was killed."""
    outcome: str | None = None
    """How it ended."""
    exit_code: int | None = None
    """The exit code of the command."""
    counts: Counts
    """What became of the records. Stored at the end of the run; until then, and for a killed run, see `lanes`."""
    bytes: int
    """Bytes that it read and committed, decompressed; stored at the end."""
    reason: str | None = None
    """Why it failed, if it did."""
    alive: bool
    """Whether it is active: it holds something, and its owner is alive."""
    updated_at: str | None = None
    """When one of its checkpoints last moved, while it is active."""
    lanes: tuple[LaneStatus, ...]
    """The progress of its lanes, as last stored."""
    activity: tuple[Activity, ...]
    """The server's view of it, while it is active."""


@dataclass(frozen=True, kw_only=True)
class Status(Report):
    """The state of a job."""

    destination: str
    """The destination, without secrets."""
    sources: tuple[SourceStatus, ...]
    """The sources, in the order of their ids."""
    other_rules: OtherRules | None = None
    """Those of them that were loaded under other rules than the current ones."""
    open_dead_letters: int
    """The number of open dead letters."""
    undelivered: int | None = None
    """How many of them are not delivered; null if the job delivers none."""
    reasons: tuple[ReasonCount, ...]
    """Their reasons, the most frequent first."""
    dates: tuple[DateStatus, ...]
    """The data dates, in order."""
    other_tables: bool
    """Whether the job has also loaded into other tables. Its runs are those into all of them."""
    runs: tuple[RunStatus, ...]
    """The last runs, the newest first."""
    last_failure: RunStatus | None = None
    """The last run that failed, even if others have succeeded since."""
    last_success: str | None = None
    """When a load last finished its sources, with exit code 0 or 3."""
    alarms: tuple[str, ...]
    """Why the exit code is not 0, if the flags require that."""


@dataclass(frozen=True, kw_only=True)
class DeadLetter(Read):
    """A dead letter. Its record is included only on request."""

    id: int
    """Its id."""
    source: str
    """The name of its source."""
    source_base64: str | None = None
    """The bytes of `source` as base64, where they are not all UTF-8."""
    offset: int
    """The offset of its record."""
    line: int | None = None
    """The number of its first line in its source, counted from one. Absent while an earlier part of the source is not loaded."""
    line_of_split: int | None = None
    """The number in its split, if the number in the source is unknown."""
    split_start: int | None = None
    """The offset where that split begins."""
    length: int
    """Bytes of its record."""
    stage: str
    """The step that refused it: `decode`, `parse`, `schema`, `server`."""
    reasons: Any
    """The reasons: a list of `{code, field, message, input}`."""
    state: str
    """`open`, `replayed`, `discarded` or `superseded`."""
    attempts: int
    """How often it was tried."""
    first_seen: str
    """When it was first seen."""
    last_seen: str
    """When it was last seen."""
    note: str | None = None
    """The note of a person."""


@dataclass(frozen=True, kw_only=True)
class LetterCount(Read):
    """The number of dead letters with a reason, and the first of them."""

    code: str
    """The code."""
    field: str
    """The field; empty for the record as a whole."""
    count: int
    """The number of dead letters with this reason."""
    message: str
    """The message of the first of them."""
    input: str | None = None
    """The offending value of the first of them."""
    first: FirstLetter
    """The first of them."""


@dataclass(frozen=True, kw_only=True)
class DeadLetters(Report):
    """Some dead letters."""

    dead_letters: tuple[DeadLetter, ...]
    """The letters, in the order of their ids."""
    more: int
    """The number of further letters."""
    reasons: tuple[LetterCount, ...]
    """The reasons of all of them, including those not shown, the most frequent first."""


@dataclass(frozen=True, kw_only=True)
class ReplayCounts(Read):
    """The results of replayed letters."""

    replayed: int
    """Their records are rows now."""
    again_bad: int
    """They were rejected again, and stay open."""
    not_replayable: int
    """They could not be tried, and are unchanged."""


@dataclass(frozen=True, kw_only=True)
class Unplayed(Read):
    """A dead letter that could not be tried."""

    id: int
    """Its id."""
    why: str
    """The reason."""


@dataclass(frozen=True, kw_only=True)
class Replay(Report):
    """The result of a replay."""

    dry_run: bool
    """Whether nothing was written: then the counts are a forecast, without refusals by the server."""
    counts: ReplayCounts
    """The results of the letters."""
    not_replayable: tuple[Unplayed, ...]
    """The first of those that could not be tried."""
    open_dead_letters: int | None = None
    """The number of open letters of the job; null if the command failed before it could look them up."""
    rollups: LoadRollups
    """The results of the metrics of dates, if the job has any."""
    seconds: float
    """How long it took."""
    error: str | None = None
    """The error that ended it, if any."""
    error_kind: str | None = None
    """The kind of the error."""


@dataclass(frozen=True, kw_only=True)
class InFile(Read):
    """The contents of a source, up to its checkpoint."""

    records: int
    """Its records."""
    rows: int
    """Records that are rows, by the rules or through a replayed dead letter."""
    dead_letters: int
    """Records that are dead letters, by the rules or because the destination refused them, and were not replayed."""
    digest: str
    """A digest of the values of its rows, whatever their order."""


@dataclass(frozen=True, kw_only=True)
class InTable(Read):
    """The destination's contents for a source."""

    rows: int
    """Its rows; if rows do not record their source, those with the keys of its records."""
    replaced: int
    """Rows with the values of another record that has the same key."""
    mended: int
    """Replayed dead letters whose record was mended by hand: their rows are compared with the mended bytes."""
    dead_letters: int
    """Its dead letters, open or discarded; replayed ones count as rows."""
    open_dead_letters: int
    """Those of them that are open."""
    digest: str
    """The digest of the values of the rows, which equals that of the file if nothing differs."""


@dataclass(frozen=True, kw_only=True)
class VerifiedSource(Read):
    """A source that was read again, up to its checkpoint."""

    id: int
    """Its id."""
    name: str
    """The name under which it was last seen."""
    name_base64: str | None = None
    """The bytes of `name` as base64, where they are not all UTF-8."""
    data_date: str | None = None
    """Its data date."""
    position: int
    """How far it was read, which is its checkpoint."""
    file: InFile
    """Its contents."""
    table: InTable
    """The destination's contents for it."""
    differences: int
    """The number of differences between the two."""


@dataclass(frozen=True, kw_only=True)
class DifferenceCounts(Read):
    """The number of differences."""

    missing_rows: int
    """Records without their row."""
    changed_values: int
    """Rows with another value than their record."""
    extra_rows: int
    """Rows without a record."""
    missing_letters: int
    """Rejected records without their dead letter."""
    extra_letters: int
    """Dead letters without a rejected record."""
    changed_letters: int
    """Dead letters whose bytes differ from their record, or do not produce their row."""


@dataclass(frozen=True, kw_only=True)
class Difference(Read):
    """A difference between file and table."""

    source: str
    """The name of the source."""
    source_base64: str | None = None
    """The bytes of `source` as base64, where they are not all UTF-8."""
    source_id: int
    """Its id; together with the offset, the position key of a row."""
    line: int | None = None
    """The number of the record's first line, counted from one, if there is a record."""
    offset: int | None = None
    """The offset of the record, or where it should be."""
    kind: str
    """The kind: `missing_row`, `changed_value`, `extra_row`, `missing_letter`, `extra_letter` or `changed_letter`."""
    column: str | None = None
    """The first column with a different value."""


@dataclass(frozen=True, kw_only=True)
class NotVerifiable(Read):
    """Something that could not be compared."""

    source: str
    """The name of the source."""
    source_base64: str | None = None
    """The bytes of `source` as base64, where they are not all UTF-8."""
    why: str
    """The reason, and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class NotLoaded(Read):
    """Data that is not loaded yet: it was never promised, and is not a difference."""

    files: int
    """Files that the job has never loaded."""
    bytes: int
    """Their bytes, plus those after the checkpoints of others."""


@dataclass(frozen=True, kw_only=True)
class Verify(Report):
    """The result of a verification."""

    destination: str
    """The destination, without secrets."""
    sources: tuple[VerifiedSource, ...]
    """The sources that were read again, in the order of their ids."""
    counts: DifferenceCounts
    """The number of differences."""
    differences: tuple[Difference, ...]
    """The first of them, in the order of the sources."""
    not_verifiable: tuple[NotVerifiable, ...]
    """What could not be compared."""
    not_loaded: NotLoaded
    """Data that is not loaded yet, which is not a difference."""
    open_dead_letters: int
    """Open dead letters of the sources."""
    bytes: int
    """Bytes that were read, decompressed."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, kw_only=True)
class Bare(Report):
    """The result of a command that had nothing to do, or that failed before there was anything else to report."""

    error: str | None = None
    """The error, if it failed."""
    error_kind: str | None = None
    """The kind of the error."""


@dataclass(frozen=True, kw_only=True)
class Progress(Shown, Read):
    """A line of `--progress json` or `--progress-fd`. The first is written at once, the last at the end, and about one per second in between."""

    kind: str
    """`progress`."""
    time: str
    """The time, in the form of RFC 3339."""
    records: int
    """Records that are committed, including rejects."""
    rejected: int
    """Rejects that are committed."""
    bytes: int
    """Bytes of the files that are committed, in compressed size."""
    bytes_total: int | None = None
    """Bytes of the files to be read; null while unknown, and for a stream."""
    records_per_second: int
    """Records per second, over the last few seconds."""
    bytes_per_second: int
    """Bytes of the files per second, over the last few seconds."""
    eta_seconds: int | None = None
    """Seconds until the end at this rate, if that can be estimated."""
    waiting: str | None = None
    """What the run is waiting for."""
    ended: bool
    """Whether it is the last line."""
