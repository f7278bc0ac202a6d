-- The tables of logmill in an SQLite database, version 7: those of PostgreSQL, with a prefix
-- instead of a schema. Every statement can be run twice.

CREATE TABLE IF NOT EXISTS logmill_meta (
    only_row        INTEGER PRIMARY KEY CHECK (only_row = 1),
    version         INTEGER NOT NULL,
    next_source_id  INTEGER NOT NULL
) STRICT;
INSERT INTO logmill_meta (only_row, version, next_source_id) VALUES (1, 7, 1) ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS logmill_sources (
    id          INTEGER PRIMARY KEY,
    job         TEXT NOT NULL,
    data_date   TEXT,
    name        TEXT NOT NULL,
    size        INTEGER NOT NULL,
    head_len    INTEGER NOT NULL,
    head_hash   BLOB NOT NULL,
    tail_start  INTEGER,
    first_seen  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    target      TEXT,
    device      INTEGER,
    inode       INTEGER,
    generation  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS logmill_sources_job ON logmill_sources (job, data_date);

CREATE TABLE IF NOT EXISTS logmill_containers (
    source_id     INTEGER NOT NULL,
    raw_size      INTEGER NOT NULL,
    raw_head_hash BLOB NOT NULL,
    raw_tail_hash BLOB NOT NULL,
    PRIMARY KEY (source_id, raw_size, raw_head_hash, raw_tail_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS logmill_checkpoints (
    source_id   INTEGER NOT NULL,
    split_start INTEGER NOT NULL,
    split_end   INTEGER,
    position    INTEGER NOT NULL,
    lines       INTEGER NOT NULL DEFAULT 0,
    tail_len    INTEGER NOT NULL DEFAULT 0,
    tail_hash   BLOB NOT NULL,
    complete    INTEGER NOT NULL DEFAULT 0,
    epoch       INTEGER NOT NULL DEFAULT 0,
    owner_run   INTEGER,
    owner_pid   INTEGER,
    owner_start TEXT,
    rules_hash  BLOB NOT NULL,
    inserted    INTEGER NOT NULL DEFAULT 0,
    updated     INTEGER NOT NULL DEFAULT 0,
    unchanged   INTEGER NOT NULL DEFAULT 0,
    superseded  INTEGER NOT NULL DEFAULT 0,
    rejected    INTEGER NOT NULL DEFAULT 0,
    blank       INTEGER NOT NULL DEFAULT 0,
    skipped     INTEGER NOT NULL DEFAULT 0,
    updated_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    preamble    BLOB,
    rules_since INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source_id, split_start)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS logmill_dead_letters (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    job           TEXT NOT NULL,
    source_id     INTEGER NOT NULL,
    source_offset INTEGER NOT NULL,
    line          INTEGER NOT NULL,
    length        INTEGER NOT NULL,
    raw           BLOB,
    raw_hash      BLOB,
    stage         TEXT NOT NULL,
    reasons       TEXT NOT NULL,
    state         TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded', 'superseded')),
    attempts      INTEGER NOT NULL DEFAULT 1,
    first_seen    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    last_seen     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    note          TEXT,
    fixed         BLOB,
    preamble      BLOB,
    rules_hash    BLOB,
    generation    INTEGER NOT NULL DEFAULT 0,
    delivered_at  TEXT
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS logmill_dead_letters_place ON logmill_dead_letters (source_id, source_offset)
    WHERE state <> 'superseded';
CREATE INDEX IF NOT EXISTS logmill_dead_letters_job ON logmill_dead_letters (job, state);

CREATE TABLE IF NOT EXISTS logmill_runs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    job         TEXT NOT NULL,
    data_date   TEXT,
    command     TEXT NOT NULL,
    started_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    ended_at    TEXT,
    outcome     TEXT,
    exit_code   INTEGER,
    records     INTEGER NOT NULL DEFAULT 0,
    inserted    INTEGER NOT NULL DEFAULT 0,
    updated     INTEGER NOT NULL DEFAULT 0,
    unchanged   INTEGER NOT NULL DEFAULT 0,
    superseded  INTEGER NOT NULL DEFAULT 0,
    rejected    INTEGER NOT NULL DEFAULT 0,
    blank       INTEGER NOT NULL DEFAULT 0,
    skipped     INTEGER NOT NULL DEFAULT 0,
    bytes       INTEGER NOT NULL DEFAULT 0,
    version     TEXT NOT NULL,
    rules_hash  BLOB NOT NULL,
    reason      TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS logmill_dates (
    job     TEXT NOT NULL,
    target  TEXT NOT NULL,
    date    TEXT NOT NULL,
    state   TEXT NOT NULL CHECK (state IN ('absent', 'partial', 'done', 'failed')),
    reason  TEXT,
    PRIMARY KEY (job, target, date)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS logmill_rollups (
    target  TEXT PRIMARY KEY,
    time    TEXT,
    zone    TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS logmill_metrics (
    rollup_table  TEXT NOT NULL,
    metric        TEXT NOT NULL,
    target        TEXT NOT NULL,
    job           TEXT NOT NULL,
    sql_hash      BLOB NOT NULL,
    PRIMARY KEY (rollup_table, metric)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS logmill_dirty_dates (
    target  TEXT NOT NULL,
    job     TEXT NOT NULL,
    date    TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (target, job, date)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS logmill_progress (
    run            INTEGER NOT NULL,
    lane           INTEGER NOT NULL,
    records        INTEGER NOT NULL,
    rejected       INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    bytes_total    INTEGER NOT NULL,
    records_per_s  INTEGER NOT NULL,
    bytes_per_s    INTEGER NOT NULL,
    points         TEXT NOT NULL,
    updated_at     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (run, lane)
) STRICT, WITHOUT ROWID;
