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
    """What every report begins with."""

    schema_version: int
    """The version of the object."""
    command: str
    """The command that made it."""
    job: str | None = None
    """The name of the job, where there was one."""
    run: int | None = None
    """The id of the run, where the destination was written to."""
    outcome: str
    """One word for how it ended."""
    exit_code: int
    """What the shell is told."""


@dataclass(frozen=True, kw_only=True)
class CandidateShare(Read):
    """A format that was tried."""

    format: str
    """Its name."""
    explained: int
    """Lines of the samples that it explains,"""
    lines: int
    """out of so many."""


@dataclass(frozen=True, kw_only=True)
class InferredField(Read):
    """A field that was inferred."""

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
    """What was seen."""


@dataclass(frozen=True, kw_only=True)
class Inferred(Read):
    """What a job was inferred from."""

    records: int
    """Records that were seen."""
    malformed: int
    """Lines that are none."""
    bytes_read: int
    """Bytes that were read, compressed as they are in the files."""
    bytes: int
    """Bytes of all files, compressed as they are; 0 if only reading will tell."""
    all: bool
    """Whether that is all there is."""
    files: int
    """How many files have records."""
    candidates: tuple[CandidateShare, ...]
    """What its records could be, with how much of the samples each explains; the one that was chosen first."""
    fields: tuple[InferredField, ...]
    """The fields."""
    warnings: tuple[str, ...]
    """What there is to know besides them."""


@dataclass(frozen=True, kw_only=True)
class OtherRules(Read):
    """Files that were loaded under other rules (format, fields, key) than those of the job now."""

    files: int
    """How many."""
    open_dead_letters: int
    """Their dead letters that are open."""


@dataclass(frozen=True, kw_only=True)
class Duplicate(Read):
    """A file that holds what another one holds."""

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
    """Its id; nothing where it went with a rebuild that was given up."""
    file: str
    """The name of its source."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    line: int | None = None
    """The number of its first line in its source, counted from one. Nothing while a part of the source that stands before is not loaded."""
    line_of_split: int | None = None
    """Where that is so, the number in its split,"""
    split_start: int | None = None
    """and the offset at which that begins."""


@dataclass(frozen=True, kw_only=True)
class ReasonCount(Read):
    """Why dead letters are open."""

    code: str
    """The code."""
    field: str
    """The field it is about; empty for the record as a whole."""
    count: int
    """How many open dead letters have it."""
    oldest: str
    """When the oldest of them was first seen,"""
    newest: str
    """and the newest."""
    first: FirstLetter
    """The first of them."""


@dataclass(frozen=True, kw_only=True)
class GivenUpFile(Read):
    """A file with more dead letters than `stop_above` allows. Nothing behind the place where that was seen is loaded."""

    file: str
    """The file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    records: int
    """Its records that are loaded, dead letters included; of a rebuild, those that were before it was undone."""
    open_dead_letters: int
    """Its dead letters that are open, from this run or an earlier one; of a rebuild, those that would have been."""
    reasons: tuple[ReasonCount, ...]
    """Why they are, the most frequent reason first; of the first ten such files."""


@dataclass(frozen=True, kw_only=True)
class FailedFile(Read):
    """A file that could not be read or loaded."""

    file: str
    """The file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    why: str
    """Why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class LoadSources(Read):
    """What became of the sources of a load."""

    loaded: int
    """Loaded to their end."""
    splits: int
    """Splits that were loaded to their end, of sources that have several."""
    waiting: int
    """Loaded up to a last line that is still being written."""
    finished_before: int
    """At their end already."""
    other_rules: OtherRules | None = None
    """Those of them that were loaded under other rules than those of now."""
    duplicates: tuple[Duplicate, ...]
    """Left out, because another file holds the same."""
    given_up: tuple[GivenUpFile, ...]
    """Given up, because too many of their records are dead letters."""
    failed: tuple[FailedFile, ...]
    """Not loaded."""


@dataclass(frozen=True, kw_only=True)
class Notice(Read):
    """Something to know about a file."""

    file: str
    """The file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    notice: str
    """What."""


@dataclass(frozen=True, kw_only=True)
class Counts(Read):
    """What became of the lines and records of a source. Signed, because a checkpoint's counters can also go back: by a line that is read again."""

    lines: int
    """Lines of any kind."""
    blank: int
    """Lines that are blank."""
    skipped: int
    """Lines that are no records by their format: headers, directives."""
    records: int
    """Records, however they ended."""
    inserted: int
    """Rows that were new."""
    updated: int
    """Rows that changed a row."""
    unchanged: int
    """Rows that were there already."""
    superseded: int
    """Rows that lost to a later row of the same key."""
    rejected: int
    """Records that did not become rows."""


@dataclass(frozen=True, kw_only=True)
class Rebuilt(Read):
    """What a rebuild did besides loading."""

    rows_removed: int
    """Rows that were there and went."""
    dead_letters_superseded: int
    """Dead letters that were there and are superseded."""
    sources_removed: int
    """Sources that went because they have no file any more."""
    discarded_again: int
    """Letters that came again as they were, and stay discarded."""
    mended_again: int
    """Letters whose record is a row again by the bytes that a person had mended."""
    undone: int
    """What people had decided about letters and does not hold any more: discarded ones that came otherwise or are rows now, and replayed ones that are open again."""


@dataclass(frozen=True, kw_only=True)
class Delivery(Read):
    """What became of a delivery of dead letters."""

    to: str
    """Where they go, without secrets."""
    delivered: int
    """How many this run has delivered."""
    error: str | None = None
    """What kept it from delivering all, and what to do."""


@dataclass(frozen=True, kw_only=True)
class FailedMetric(Read):
    """A metric that could not be computed."""

    date: str
    """Of which date,"""
    metric: str
    """which one,"""
    why: str
    """and what the destination said."""


@dataclass(frozen=True, kw_only=True)
class LoadRollups(Read):
    """What became of metrics at the end of a load."""

    dates: int
    """How many dates were computed."""
    failed: tuple[FailedMetric, ...]
    """What could not be computed."""


@dataclass(frozen=True, kw_only=True)
class Place(Read):
    """Where a record stands."""

    file: str
    """Its file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    line: int | None = None
    """The number of its first line in its source, counted from one. Nothing while a part of the source that stands before is not loaded."""
    line_of_split: int | None = None
    """Where that is so, the number in its split,"""
    split_start: int | None = None
    """and the offset at which that begins."""
    offset: int
    """The offset of its first byte."""


@dataclass(frozen=True, kw_only=True)
class Reason(Read):
    """Why records were rejected."""

    code: str
    """The code of the reason."""
    field: str
    """The field it is about; empty for the record as a whole."""
    count: int
    """How many records have it."""
    first: Place
    """The first of them."""


@dataclass(frozen=True, kw_only=True)
class Times(Read):
    """Where the time went, in seconds. Each is that of one thread, of lanes that of one on average; they overlap."""

    writer_waited: float
    """The writer waited for workers."""
    commit: float
    """The destination worked."""
    work: float
    """The workers worked, all together."""
    plan: float
    """The planner read and cut."""


@dataclass(frozen=True, kw_only=True)
class Load(Lettered, Report):
    """What a load did."""

    job_file: str
    """The job file."""
    inferred: Inferred | None = None
    """What the job was inferred from, if it was just now."""
    destination: str
    """Where the rows went, without secrets."""
    stop_above: str | None = None
    """The bar above which a source was given up, as `1000` or `5%`."""
    sources: LoadSources
    """What became of the sources."""
    notices: tuple[Notice, ...]
    """What there is to know about files that were read."""
    counts: Counts
    """What became of the records of this run."""
    rebuilt: Rebuilt | None = None
    """What a rebuild did besides; nothing if this was none, or if what was there is as it was."""
    altered_values: int
    """Values that were stored without a NUL that the record has."""
    unsure_stamps: int
    """Stamps without a zone of an hour that the clock of `timezone` showed twice, or not at all."""
    bytes: int
    """Bytes that were read and committed, decompressed."""
    raw_bytes: int
    """The same in the files, compressed as they are."""
    batches: int
    """How many batches were committed."""
    lanes: int
    """How many lanes wrote side by side."""
    open_dead_letters: int | None = None
    """Dead letters of the selected sources that are open, from this run or an earlier one; nothing if the run failed before it could ask."""
    open_dead_letters_of_job: int | None = None
    """Those of the whole job."""
    undelivered: int | None = None
    """Those of the job that are open and not delivered; nothing if they are to be delivered nowhere, or could not be counted."""
    delivery: Delivery | None = None
    """What became of the delivery at the end, if there was one."""
    rollups: LoadRollups
    """What became of the metrics of dates, where the job has any."""
    reasons: tuple[Reason, ...]
    """Why records were rejected, the most frequent reason first."""
    seconds: float
    """How long it took."""
    times: Times
    """Where the time went."""
    error: str | None = None
    """Why the run could not go on, if it could not. What was committed before is whole."""
    error_kind: str | None = None
    """The word for that kind of error."""


@dataclass(frozen=True, kw_only=True)
class BackfillDate(Read):
    """A day of a backfill."""

    date: str
    """The day."""
    state: str
    """How it stands: `absent`, `partial`, `done` or `failed`; `due` if it is to be loaded."""
    was_due: bool
    """Whether it was due, and not done before."""
    files: int
    """Files that it has."""
    bytes: int
    """Bytes that are to be read, compressed as they are, by the plan."""
    run: int | None = None
    """The run that was about it."""
    exit_code: int | None = None
    """What a load of it would have ended with."""
    counts: Counts
    """What became of the records of that run."""
    open_dead_letters: int
    """Dead letters of its sources that are open."""
    other_rules: bool
    """Whether any of it was loaded under other rules than the job has now."""
    seconds: float
    """How long its run took."""
    reason: str | None = None
    """Why it is not done."""


@dataclass(frozen=True, kw_only=True)
class Backfill(Counted, Report):
    """What a backfill did; with `--dry-run`, what it would do."""

    destination: str
    """Where the rows go, without secrets."""
    dry_run: bool
    """Whether it was only said what would be done."""
    dates: tuple[BackfillDate, ...]
    """The days, in their order."""
    counts: Counts
    """What became of the records of all of them."""
    rollups: LoadRollups
    """What became of the metrics of dates, where the job has any."""
    seconds: float
    """How long it took."""
    error: str | None = None
    """Why it could not go on, if it could not."""
    error_kind: str | None = None
    """The word for that kind of error."""


@dataclass(frozen=True, kw_only=True)
class CheckSources(Read):
    """What became of the sources of a check."""

    checked: int
    """Checked to their end."""
    waiting: int
    """Checked up to a last line that is still being written."""
    failed: tuple[FailedFile, ...]
    """Not checked."""


@dataclass(frozen=True, kw_only=True)
class CheckCounts(Read):
    """What became of records that were checked."""

    lines: int
    """Lines, all of them."""
    blank: int
    """Lines without anything."""
    skipped: int
    """Lines that are no records: headers, comments."""
    records: int
    """Records."""
    valid: int
    """Those that would become rows, or be refused by the destination."""
    rejected: int
    """Those that would become dead letters."""


@dataclass(frozen=True, kw_only=True)
class Check(Rejecting, Report):
    """What a check found."""

    job_file: str | None = None
    """The job file, if there is one."""
    inferred: Inferred | None = None
    """What the job was inferred from, if it was just now."""
    sources: CheckSources
    """What became of the sources."""
    notices: tuple[Notice, ...]
    """What there is to know about files that were read."""
    counts: CheckCounts
    """What became of the records."""
    altered_values: int
    """Values that a load would store without a NUL that the record has."""
    unsure_stamps: int
    """Stamps without a zone of an hour that the clock of `timezone` showed twice, or not at all."""
    bytes: int
    """Bytes that were read, decompressed."""
    reasons: tuple[Reason, ...]
    """Why records were rejected, the most frequent reason first."""
    sample: tuple[Any, ...]
    """The first valid records, as a load would have them."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, kw_only=True)
class Infer(Report):
    """A job that was inferred."""

    job_file: str | None = None
    """The job file that was written."""
    text: str | None = None
    """What would stand in it, where none was written."""
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
    """Of `read`: From this position on."""
    bytes: int | None = None
    """Of `read`: This many bytes of the file; nothing if only reading will tell."""
    why: str | None = None
    """Of `leave_out`: Why."""


@dataclass(frozen=True, kw_only=True)
class PlannedSplit(Read):
    """A split that is still to be loaded."""

    id: str
    """What it is called: `SOURCE-START`."""
    source: str
    """The file of its source."""
    source_base64: str | None = None
    """The bytes of `source` as base64, where they are not all UTF-8."""
    start: int
    """Where it begins in the source."""
    end: int | None = None
    """Where it ends; nothing if only reading will tell."""
    bytes: int
    """This many bytes of it are to be read, compressed as they are."""


@dataclass(frozen=True, kw_only=True)
class WholeFile(Read):
    """A file that is one split, whatever is asked for."""

    file: str
    """The file."""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    why: str
    """Why."""


@dataclass(frozen=True, kw_only=True)
class Guarantee(Read):
    """A promise."""

    what: str
    """What it is about."""
    holds: str
    """What holds."""


@dataclass(frozen=True, kw_only=True)
class Pace(Read):
    """How fast a load would be, by figures measured on this job."""

    bytes: int
    """Bytes that are to be read, decompressed, as far as that can be told."""
    file: str
    """The file of which the beginning was parsed for this,"""
    file_base64: str | None = None
    """The bytes of `file` as base64, where they are not all UTF-8."""
    sample_bytes: int
    """and so many bytes of it, decompressed."""
    parsed_per_second: int
    """Bytes that a core parses and checks each second."""
    stored_per_second: int | None = None
    """Bytes that the destination took each second in the best of the last loads of the job; nothing if none was long enough to tell."""
    cores: float | None = None
    """So many cores keep the destination busy."""
    seconds: float | None = None
    """So many seconds a load takes."""
    advice: str
    """What follows, in words: whether more cores or machines help, and when to go to a bucket instead."""


@dataclass(frozen=True, kw_only=True)
class Plan(Report):
    """What a load would do."""

    destination: str
    """Where the rows would go, without secrets."""
    sources: tuple[PlannedFile, ...]
    """What would be done with each file."""
    other_rules: OtherRules | None = None
    """Those of them that were loaded under other rules than those of now."""
    splits: tuple[PlannedSplit, ...]
    """The splits that are still to be loaded, of sources that the destination knows."""
    whole: tuple[WholeFile, ...]
    """The files that cannot be cut, where that was asked for."""
    target_exists: bool
    """Whether the target is there."""
    would_make: tuple[str, ...]
    """What would be made first, in words."""
    obstacles: tuple[str, ...]
    """What would keep a load from its first row, each with what to do."""
    warnings: tuple[str, ...]
    """What to know, though it stops nothing."""
    held: str | None = None
    """A source that a living run holds, and by whom."""
    key: str
    """What a row is known by."""
    guarantees: tuple[Guarantee, ...]
    """What is promised."""
    pace: Pace | None = None
    """How fast it would be; nothing if less than 64 MiB are to be read, or if no file shows it."""
    sql: str | None = None
    """The statements that would be run first, where they are asked for."""


@dataclass(frozen=True, kw_only=True)
class OwnerStatus(Read):
    """Who holds a source."""

    run: int
    """The run."""
    pid: int
    """The server process, or the process on this machine."""
    alive: bool
    """Whether it is still there."""


@dataclass(frozen=True, kw_only=True)
class SourceStatus(Read):
    """How far a source is."""

    id: int
    """Its id."""
    name: str
    """The name under which it was last seen."""
    name_base64: str | None = None
    """The bytes of `name` as base64, where they are not all UTF-8."""
    data_date: str | None = None
    """The day it belongs to."""
    size: int
    """Its size when it was last seen."""
    position: int
    """How many of its bytes are committed."""
    complete: bool
    """Whether that is its end."""
    containers: tuple[int, ...]
    """The sizes of the archives in which it was seen, compressed as they are."""
    counts: Counts
    """What became of its records."""
    open_dead_letters: int
    """Dead letters of it that are open."""
    other_rules: bool
    """Whether some of it was loaded under other rules (format, fields, key) than those of the job."""
    owner: OwnerStatus | None = None
    """Who holds it, and whether they live."""
    updated_at: str
    """When its checkpoint moved last."""


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
    """How far a lane was when it last committed."""

    lane: int
    """Its number in the run, from zero."""
    records: int
    """Records that it had committed, rejects included."""
    rejected: int
    """Rejects among them."""
    bytes: int
    """Bytes of its files that it had committed, compressed as they are."""
    bytes_total: int
    """Those that were to be read; none of streams, whose size nobody knows."""
    records_per_second: int
    """Records each second, over the last few."""
    bytes_per_second: int
    """Bytes each second, over the last few."""


@dataclass(frozen=True, kw_only=True)
class Activity(Read):
    """What a server says of a connection of a run."""

    pid: int
    """Its process on the server."""
    state: str
    """One word: `working`; `lock`, `standby` or `server`, for which it waits; `client`, if it is the server that waits for the run; `unknown`, if this role may not see it."""
    since: str | None = None
    """Since when."""
    wait_event: str | None = None
    """What it waits for, by the names of the server: `Lock:transactionid`."""
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
    """When it ended; nothing if it still runs or was killed."""
    outcome: str | None = None
    """How it ended."""
    exit_code: int | None = None
    """The exit code of the command."""
    counts: Counts
    """What became of the records. It is written down at the end of the run; before that, or of a run that was killed, `lanes` tell."""
    bytes: int
    """Bytes that it read and committed, decompressed; written down at the end."""
    reason: str | None = None
    """Why it failed, if it did."""
    alive: bool
    """Whether it is at work: something is its own, and the owner lives."""
    updated_at: str | None = None
    """When one of its checkpoints moved last, while it is at work."""
    lanes: tuple[LaneStatus, ...]
    """How far its lanes were when they last wrote it down."""
    activity: tuple[Activity, ...]
    """What the server says of it, while it is at work."""


@dataclass(frozen=True, kw_only=True)
class Status(Report):
    """How far a job is."""

    destination: str
    """Where the rows are, without secrets."""
    sources: tuple[SourceStatus, ...]
    """The sources, in the order of their ids."""
    other_rules: OtherRules | None = None
    """Those of them that were loaded under other rules than those of now."""
    open_dead_letters: int
    """How many dead letters are open."""
    undelivered: int | None = None
    """How many of them are not delivered; nothing if they are to be delivered nowhere."""
    reasons: tuple[ReasonCount, ...]
    """Why they are there, the most frequent reason first."""
    dates: tuple[DateStatus, ...]
    """The data dates, in their order."""
    other_tables: bool
    """Whether the job has loaded into other tables too. Its runs are those into all of them."""
    runs: tuple[RunStatus, ...]
    """The last runs, the newest first."""
    last_failure: RunStatus | None = None
    """The last run that failed, whatever came behind it."""
    last_success: str | None = None
    """When a load last came to the end of its sources: with exit code 0 or 3."""
    alarms: tuple[str, ...]
    """Why the exit code is not 0, as far as that was asked for."""


@dataclass(frozen=True, kw_only=True)
class DeadLetter(Read):
    """A dead letter. Its record is told only where it is asked for by itself."""

    id: int
    """Its id."""
    source: str
    """The name of its source."""
    source_base64: str | None = None
    """The bytes of `source` as base64, where they are not all UTF-8."""
    offset: int
    """The offset of its record."""
    line: int | None = None
    """The number of its first line in its source, counted from one. Nothing while a part of the source that stands before is not loaded."""
    line_of_split: int | None = None
    """Where that is so, the number in its split,"""
    split_start: int | None = None
    """and the offset at which that begins."""
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
    """What a person wrote about it."""


@dataclass(frozen=True, kw_only=True)
class LetterCount(Read):
    """How many dead letters have a reason, and the first of them."""

    code: str
    """The code."""
    field: str
    """The field it is about; empty for the record as a whole."""
    count: int
    """How many of the dead letters have it."""
    message: str
    """What is said of the first of them."""
    input: str | None = None
    """What stood there in the first of them."""
    first: FirstLetter
    """The first of them."""


@dataclass(frozen=True, kw_only=True)
class DeadLetters(Report):
    """Some dead letters."""

    dead_letters: tuple[DeadLetter, ...]
    """The letters, in the order of their ids."""
    more: int
    """How many more there are."""
    reasons: tuple[LetterCount, ...]
    """Why they and those more are there, the most frequent reason first."""


@dataclass(frozen=True, kw_only=True)
class ReplayCounts(Read):
    """What became of dead letters that were tried once more."""

    replayed: int
    """Their records are rows now."""
    again_bad: int
    """They were refused once more, and stay open."""
    not_replayable: int
    """They could not be tried, and are as they were."""


@dataclass(frozen=True, kw_only=True)
class Unplayed(Read):
    """A dead letter that could not be tried."""

    id: int
    """Its id."""
    why: str
    """Why."""


@dataclass(frozen=True, kw_only=True)
class Replay(Report):
    """What became of dead letters that were tried once more."""

    dry_run: bool
    """Nothing was written: this is what would become of them, but for what the server would refuse."""
    counts: ReplayCounts
    """How many became what."""
    not_replayable: tuple[Unplayed, ...]
    """The first of those that could not be tried."""
    open_dead_letters: int | None = None
    """How many of the job are open; nothing if it failed before it could ask."""
    rollups: LoadRollups
    """What became of the metrics of dates, where the job has any."""
    seconds: float
    """How long it took."""
    error: str | None = None
    """Why it could not go on, if it could not."""
    error_kind: str | None = None
    """The word for that kind of error."""


@dataclass(frozen=True, kw_only=True)
class InFile(Read):
    """What a source holds, up to its checkpoint."""

    records: int
    """Its records."""
    rows: int
    """Those that are rows: by the rules, or as a dead letter that was replayed."""
    dead_letters: int
    """Those that are dead letters, by the rules or because the destination refused them, and were not replayed."""
    digest: str
    """A digest of the values of its rows, whatever their order."""


@dataclass(frozen=True, kw_only=True)
class InTable(Read):
    """What a destination holds of a source."""

    rows: int
    """Its rows; where the key says nothing of sources, those that its records have by their keys."""
    replaced: int
    """Rows that hold what another record of the same key has."""
    mended: int
    """Replayed dead letters whose record was mended by hand: their rows are compared with the mended bytes."""
    dead_letters: int
    """Its dead letters, open or discarded; of one that was replayed there is a row."""
    open_dead_letters: int
    """Those of them that are open."""
    digest: str
    """The digest of the values of the rows: that of the file, where nothing differs."""


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
    """The day it belongs to."""
    position: int
    """How far it was read: its checkpoint."""
    file: InFile
    """What it holds."""
    table: InTable
    """What the destination holds of it."""
    differences: int
    """How many differences there are between the two."""


@dataclass(frozen=True, kw_only=True)
class DifferenceCounts(Read):
    """How many differences there are."""

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
    """Dead letters that hold other bytes than their record, or no bytes that make their row."""


@dataclass(frozen=True, kw_only=True)
class Difference(Read):
    """A place where file and table differ."""

    source: str
    """The name of the source."""
    source_base64: str | None = None
    """The bytes of `source` as base64, where they are not all UTF-8."""
    source_id: int
    """Its id; with the offset it is the key of a row that is known by its position."""
    line: int | None = None
    """The number of the record's first line, counted from one, where there is a record."""
    offset: int | None = None
    """The offset of the record, or where there should be one."""
    kind: str
    """What is different: `missing_row`, `changed_value`, `extra_row`, `missing_letter`, `extra_letter` or `changed_letter`."""
    column: str | None = None
    """The first column that holds another value."""


@dataclass(frozen=True, kw_only=True)
class NotVerifiable(Read):
    """Something that could not be compared."""

    source: str
    """The name of the source."""
    source_base64: str | None = None
    """The bytes of `source` as base64, where they are not all UTF-8."""
    why: str
    """Why, and what can be done about it."""


@dataclass(frozen=True, kw_only=True)
class NotLoaded(Read):
    """What is there to be loaded: it was never promised, and is no difference."""

    files: int
    """Files that the job has never loaded."""
    bytes: int
    """Bytes of them, and behind the checkpoints of others."""


@dataclass(frozen=True, kw_only=True)
class Verify(Report):
    """What a verification found."""

    destination: str
    """Where the rows are, without secrets."""
    sources: tuple[VerifiedSource, ...]
    """The sources that were read again, in the order of their ids."""
    counts: DifferenceCounts
    """How many differences there are."""
    differences: tuple[Difference, ...]
    """The first of them, in the order of the sources."""
    not_verifiable: tuple[NotVerifiable, ...]
    """What could not be compared."""
    not_loaded: NotLoaded
    """What is there to be loaded, and is no difference."""
    open_dead_letters: int
    """Dead letters of the sources that are open."""
    bytes: int
    """Bytes that were read, decompressed."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, kw_only=True)
class Bare(Report):
    """A command that had nothing to do, or failed before there was anything else to tell."""

    error: str | None = None
    """Why it failed, if it did."""
    error_kind: str | None = None
    """The word for that kind of error."""


@dataclass(frozen=True, kw_only=True)
class Progress(Shown, Read):
    """A line of `--progress json` or `--progress-fd`. The first is written at once, the last at the end, and about one a second between them."""

    kind: str
    """`progress`."""
    time: str
    """When, as RFC 3339 has it."""
    records: int
    """Records that are committed, rejects included."""
    rejected: int
    """Rejects that are committed."""
    bytes: int
    """Bytes of the files that are committed, compressed as they are."""
    bytes_total: int | None = None
    """Bytes of the files that are to be read; nothing as long as nobody knows, and of a stream."""
    records_per_second: int
    """Records each second, over the last few."""
    bytes_per_second: int
    """Bytes of the files each second, over the last few."""
    eta_seconds: int | None = None
    """Seconds until the end at this rate, if that can be told."""
    waiting: str | None = None
    """What is waited for."""
    ended: bool
    """Whether it is the last line."""
