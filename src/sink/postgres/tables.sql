-- The tables of logmill, version 7. They are part of the interface: people read them, and
-- older versions are migrated, never dropped. Every statement can be run twice, on nothing and
-- on the tables of any older version.

CREATE SCHEMA IF NOT EXISTS logmill;

CREATE TABLE IF NOT EXISTS logmill.meta (
    only_row        boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version         integer NOT NULL,
    next_source_id  integer NOT NULL
);
INSERT INTO logmill.meta (version, next_source_id) VALUES (1, 1) ON CONFLICT DO NOTHING;

-- One row per source: an input file, known by its content.
CREATE TABLE IF NOT EXISTS logmill.sources (
    id          integer PRIMARY KEY,
    job         text NOT NULL,
    data_date   date,
    name        text NOT NULL,
    size        bigint NOT NULL,
    head_len    integer NOT NULL,
    head_hash   bytea NOT NULL,
    tail_start  bigint,
    first_seen  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS sources_job ON logmill.sources (job, data_date);

-- One row per archive in which a source was seen: its own bytes, compressed as they are.
CREATE TABLE IF NOT EXISTS logmill.containers (
    source_id     integer NOT NULL,
    raw_size      bigint NOT NULL,
    raw_head_hash bytea NOT NULL,
    raw_tail_hash bytea NOT NULL,
    PRIMARY KEY (source_id, raw_size, raw_head_hash, raw_tail_hash)
);

-- One row per split of a source: how far it is committed, who owns it, what became of its records.
CREATE TABLE IF NOT EXISTS logmill.checkpoints (
    source_id   integer NOT NULL,
    split_start bigint NOT NULL,
    split_end   bigint,
    position    bigint NOT NULL,
    lines       bigint NOT NULL DEFAULT 0,
    tail_len    integer NOT NULL DEFAULT 0,
    tail_hash   bytea NOT NULL,
    complete    boolean NOT NULL DEFAULT false,
    epoch       bigint NOT NULL DEFAULT 0,
    owner_run   bigint,
    owner_pid   integer,
    owner_start timestamptz,
    rules_hash  bytea NOT NULL,
    inserted    bigint NOT NULL DEFAULT 0,
    updated     bigint NOT NULL DEFAULT 0,
    unchanged   bigint NOT NULL DEFAULT 0,
    superseded  bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    blank       bigint NOT NULL DEFAULT 0,
    skipped     bigint NOT NULL DEFAULT 0,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_id, split_start)
);

-- One row per record that did not become a row.
CREATE TABLE IF NOT EXISTS logmill.dead_letters (
    id            bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job           text NOT NULL,
    source_id     integer NOT NULL,
    source_offset bigint NOT NULL,
    line          bigint NOT NULL,
    length        bigint NOT NULL,
    raw           bytea,
    raw_hash      bytea,
    stage         text NOT NULL,
    reasons       jsonb NOT NULL,
    state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded', 'superseded')),
    attempts      integer NOT NULL DEFAULT 1,
    first_seen    timestamptz NOT NULL DEFAULT now(),
    last_seen     timestamptz NOT NULL DEFAULT now(),
    note          text
);
CREATE UNIQUE INDEX IF NOT EXISTS dead_letters_place ON logmill.dead_letters (source_id, source_offset)
    WHERE state <> 'superseded';
CREATE INDEX IF NOT EXISTS dead_letters_job ON logmill.dead_letters (job, state);

-- One row per run, written for people. Nothing else depends on it.
CREATE TABLE IF NOT EXISTS logmill.runs (
    id          bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job         text NOT NULL,
    data_date   date,
    command     text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    outcome     text,
    exit_code   integer,
    records     bigint NOT NULL DEFAULT 0,
    inserted    bigint NOT NULL DEFAULT 0,
    updated     bigint NOT NULL DEFAULT 0,
    unchanged   bigint NOT NULL DEFAULT 0,
    superseded  bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    blank       bigint NOT NULL DEFAULT 0,
    skipped     bigint NOT NULL DEFAULT 0,
    bytes       bigint NOT NULL DEFAULT 0,
    version     text NOT NULL,
    rules_hash  bytea NOT NULL
);

-- Version 2: what must be known from before the position, such as the header of a file.
ALTER TABLE logmill.checkpoints ADD COLUMN IF NOT EXISTS preamble bytea;
UPDATE logmill.meta SET version = 2 WHERE version < 2;

-- Version 3: the table that a source is in, and where its file lay. A source of an older version
-- is in the table that its job next loads into.
ALTER TABLE logmill.sources ADD COLUMN IF NOT EXISTS target text;
ALTER TABLE logmill.sources ADD COLUMN IF NOT EXISTS device bigint;
ALTER TABLE logmill.sources ADD COLUMN IF NOT EXISTS inode bigint;
UPDATE logmill.meta SET version = 3 WHERE version < 3;

-- Version 4: under which rules a letter was last tried, the bytes that a person has mended, what stands before its
-- record, whether it was delivered; the place from which on the rules of a checkpoint hold; and how often a source
-- was loaded anew. A letter of an older version is taken for one of the rules of its checkpoint.
ALTER TABLE logmill.sources ADD COLUMN IF NOT EXISTS generation integer NOT NULL DEFAULT 0;
ALTER TABLE logmill.checkpoints ADD COLUMN IF NOT EXISTS rules_since bigint NOT NULL DEFAULT 0;
ALTER TABLE logmill.dead_letters ADD COLUMN IF NOT EXISTS fixed bytea;
ALTER TABLE logmill.dead_letters ADD COLUMN IF NOT EXISTS preamble bytea;
ALTER TABLE logmill.dead_letters ADD COLUMN IF NOT EXISTS rules_hash bytea;
ALTER TABLE logmill.dead_letters ADD COLUMN IF NOT EXISTS generation integer NOT NULL DEFAULT 0;
ALTER TABLE logmill.dead_letters ADD COLUMN IF NOT EXISTS delivered_at timestamptz;
UPDATE logmill.meta SET version = 4 WHERE version < 4;

-- Version 5: how each data date of a job stands, as far as its sources do not say it.
CREATE TABLE IF NOT EXISTS logmill.dates (
    job     text NOT NULL,
    target  text NOT NULL,
    date    date NOT NULL,
    state   text NOT NULL CHECK (state IN ('absent', 'partial', 'done', 'failed')),
    reason  text,
    PRIMARY KEY (job, target, date)
);
UPDATE logmill.meta SET version = 5 WHERE version < 5;

-- Version 6: rollups. A row for each target that has metrics, with the column of times and the clock of
-- its days, which every batch locks; the row without a name stands for all others. Which job each metric
-- is of; and, for each job with metrics on a target, the dates whose metrics are to be computed.
CREATE TABLE IF NOT EXISTS logmill.rollups (
    target  text PRIMARY KEY,
    time    text,
    zone    text
);
INSERT INTO logmill.rollups (target) VALUES ('') ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS logmill.metrics (
    rollup_table  text NOT NULL,
    metric        text NOT NULL,
    target        text NOT NULL,
    job           text NOT NULL,
    sql_hash      bytea NOT NULL,
    PRIMARY KEY (rollup_table, metric)
);
CREATE INDEX IF NOT EXISTS metrics_target ON logmill.metrics (target, job);
CREATE TABLE IF NOT EXISTS logmill.dirty_dates (
    target  text NOT NULL,
    job     text NOT NULL,
    date    date NOT NULL,
    seq     bigint NOT NULL,
    PRIMARY KEY (target, job, date)
);
UPDATE logmill.meta SET version = 6 WHERE version < 6;

-- Version 7: why a run failed; and how far each lane of a run is, how fast, and how it got there, written with a batch
-- for people to look at. A point is [milliseconds, records, bytes, milliseconds waited for workers, and for the server].
ALTER TABLE logmill.runs ADD COLUMN IF NOT EXISTS reason text;
CREATE TABLE IF NOT EXISTS logmill.progress (
    run            bigint NOT NULL,
    lane           integer NOT NULL,
    records        bigint NOT NULL,
    rejected       bigint NOT NULL,
    bytes          bigint NOT NULL,
    bytes_total    bigint NOT NULL,
    records_per_s  bigint NOT NULL,
    bytes_per_s    bigint NOT NULL,
    points         jsonb NOT NULL,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, lane)
);
UPDATE logmill.meta SET version = 7 WHERE version < 7;
