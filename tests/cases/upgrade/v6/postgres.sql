--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: logmill; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA logmill;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: checkpoints; Type: TABLE; Schema: logmill; Owner: -
--

CREATE TABLE logmill.checkpoints (
    source_id integer NOT NULL,
    split_start bigint NOT NULL,
    split_end bigint,
    "position" bigint NOT NULL,
    lines bigint DEFAULT 0 NOT NULL,
    tail_len integer DEFAULT 0 NOT NULL,
    tail_hash bytea NOT NULL,
    complete boolean DEFAULT false NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    owner_run bigint,
    owner_pid integer,
    owner_start timestamp with time zone,
    rules_hash bytea NOT NULL,
    inserted bigint DEFAULT 0 NOT NULL,
    updated bigint DEFAULT 0 NOT NULL,
    unchanged bigint DEFAULT 0 NOT NULL,
    superseded bigint DEFAULT 0 NOT NULL,
    rejected bigint DEFAULT 0 NOT NULL,
    blank bigint DEFAULT 0 NOT NULL,
    skipped bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    preamble bytea,
    rules_since bigint DEFAULT 0 NOT NULL
);


--
-- Name: containers; Type: TABLE; Schema: logmill; Owner: -
--

CREATE TABLE logmill.containers (
    source_id integer NOT NULL,
    raw_size bigint NOT NULL,
    raw_head_hash bytea NOT NULL,
    raw_tail_hash bytea NOT NULL
);


--
-- Name: dates; Type: TABLE; Schema: logmill; Owner: -
--

CREATE TABLE logmill.dates (
    job text NOT NULL,
    target text NOT NULL,
    date date NOT NULL,
    state text NOT NULL,
    reason text,
    CONSTRAINT dates_state_check CHECK ((state = ANY (ARRAY['absent'::text, 'partial'::text, 'done'::text, 'failed'::text])))
);


--
-- Name: dead_letters; Type: TABLE; Schema: logmill; Owner: -
--

CREATE TABLE logmill.dead_letters (
    id bigint NOT NULL,
    job text NOT NULL,
    source_id integer NOT NULL,
    source_offset bigint NOT NULL,
    line bigint NOT NULL,
    length bigint NOT NULL,
    raw bytea,
    raw_hash bytea,
    stage text NOT NULL,
    reasons jsonb NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    attempts integer DEFAULT 1 NOT NULL,
    first_seen timestamp with time zone DEFAULT now() NOT NULL,
    last_seen timestamp with time zone DEFAULT now() NOT NULL,
    note text,
    fixed bytea,
    preamble bytea,
    rules_hash bytea,
    generation integer DEFAULT 0 NOT NULL,
    delivered_at timestamp with time zone,
    CONSTRAINT dead_letters_state_check CHECK ((state = ANY (ARRAY['open'::text, 'replayed'::text, 'discarded'::text, 'superseded'::text])))
);


--
-- Name: dead_letters_id_seq; Type: SEQUENCE; Schema: logmill; Owner: -
--

ALTER TABLE logmill.dead_letters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME logmill.dead_letters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: dirty_dates; Type: TABLE; Schema: logmill; Owner: -
--

CREATE TABLE logmill.dirty_dates (
    target text NOT NULL,
    job text NOT NULL,
    date date NOT NULL,
    seq bigint NOT NULL
);


--
-- Name: meta; Type: TABLE; Schema: logmill; Owner: -
--

CREATE TABLE logmill.meta (
    only_row boolean DEFAULT true NOT NULL,
    version integer NOT NULL,
    next_source_id integer NOT NULL,
    CONSTRAINT meta_only_row_check CHECK (only_row)
);


--
-- Name: metrics; Type: TABLE; Schema: logmill; Owner: -
--

CREATE TABLE logmill.metrics (
    rollup_table text NOT NULL,
    metric text NOT NULL,
    target text NOT NULL,
    job text NOT NULL,
    sql_hash bytea NOT NULL
);


--
-- Name: rollups; Type: TABLE; Schema: logmill; Owner: -
--

CREATE TABLE logmill.rollups (
    target text NOT NULL,
    "time" text,
    zone text
);


--
-- Name: runs; Type: TABLE; Schema: logmill; Owner: -
--

CREATE TABLE logmill.runs (
    id bigint NOT NULL,
    job text NOT NULL,
    data_date date,
    command text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    outcome text,
    exit_code integer,
    records bigint DEFAULT 0 NOT NULL,
    inserted bigint DEFAULT 0 NOT NULL,
    updated bigint DEFAULT 0 NOT NULL,
    unchanged bigint DEFAULT 0 NOT NULL,
    superseded bigint DEFAULT 0 NOT NULL,
    rejected bigint DEFAULT 0 NOT NULL,
    blank bigint DEFAULT 0 NOT NULL,
    skipped bigint DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    version text NOT NULL,
    rules_hash bytea NOT NULL
);


--
-- Name: runs_id_seq; Type: SEQUENCE; Schema: logmill; Owner: -
--

ALTER TABLE logmill.runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME logmill.runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: sources; Type: TABLE; Schema: logmill; Owner: -
--

CREATE TABLE logmill.sources (
    id integer NOT NULL,
    job text NOT NULL,
    data_date date,
    name text NOT NULL,
    size bigint NOT NULL,
    head_len integer NOT NULL,
    head_hash bytea NOT NULL,
    tail_start bigint,
    first_seen timestamp with time zone DEFAULT now() NOT NULL,
    target text,
    device bigint,
    inode bigint,
    generation integer DEFAULT 0 NOT NULL
);


--
-- Name: app; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.app (
    n bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    seen timestamp with time zone,
    local timestamp without time zone,
    day date,
    clock time without time zone,
    level text NOT NULL,
    message text NOT NULL,
    host text NOT NULL,
    ratio double precision,
    price numeric(10,2),
    is_new boolean,
    trace uuid,
    address inet,
    payload jsonb,
    place jsonb,
    tags text[],
    extra jsonb,
    source_id integer NOT NULL,
    source_offset bigint NOT NULL
);


--
-- Name: days; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.days (
    n bigint NOT NULL,
    word text,
    source_id integer NOT NULL,
    source_offset bigint NOT NULL
);


--
-- Name: events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.events (
    n bigint NOT NULL,
    kind text NOT NULL,
    at timestamp with time zone NOT NULL,
    note text,
    record_hash uuid NOT NULL
);


--
-- Name: plain; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.plain (
    n bigint NOT NULL,
    word text NOT NULL,
    extra jsonb,
    source_id integer NOT NULL,
    source_offset bigint NOT NULL
);


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    tenant text NOT NULL,
    id bigint NOT NULL,
    version bigint NOT NULL,
    name text
);


--
-- Data for Name: checkpoints; Type: TABLE DATA; Schema: logmill; Owner: -
--

INSERT INTO logmill.checkpoints VALUES (11, 0, NULL, 5127, 96, 4096, '\x535408a113f58333e765df3f88f1beb6', false, 1, 5, 29558, '2026-11-30 14:11:34.372516+00', '\x4ea83da3e396bc63d1ea1ac640444825', 96, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.443501+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (1, 0, NULL, 11093, 40, 4096, '\xf16bd93c6c8ac815a424449448db2d7f', true, 1, NULL, NULL, NULL, '\x0b6a75d51f5f88e528a66ff385c35904', 40, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.117495+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (12, 0, NULL, 3081, 60, 3081, '\x9099a8051b2962befa194896cb0737d8', true, 1, NULL, NULL, NULL, '\xd27f483c0e1737a59f868f24fab23d12', 60, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.509072+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (2, 0, NULL, 11151, 40, 4096, '\xe8ac999e850c193cd445f5e79fa168f4', true, 1, NULL, NULL, NULL, '\x0b6a75d51f5f88e528a66ff385c35904', 40, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.130755+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (13, 0, NULL, 3180, 60, 3180, '\xd15cf4f468f8fc3bc50504b8010d10aa', true, 1, NULL, NULL, NULL, '\xea515f59e6404711df56a5ea27e18bf5', 60, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.589095+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (3, 0, NULL, 8368, 33, 4096, '\x45db25c23529af3d7500c1a4a8396885', true, 1, NULL, NULL, NULL, '\x0b6a75d51f5f88e528a66ff385c35904', 29, 0, 0, 0, 4, 0, 0, '2026-11-30 14:11:34.138109+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (4, 0, NULL, 4047, 15, 4047, '\xb28812b9cef6fb688b2999264e74a73d', true, 1, NULL, NULL, NULL, '\x0b6a75d51f5f88e528a66ff385c35904', 15, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.142025+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (6, 0, NULL, 0, 0, 0, '\xaf1349b9f5f9a1a6a0404dea36dcc949', false, 1, 2, 29525, '2026-11-30 14:11:34.168281+00', '\x0b6a75d51f5f88e528a66ff385c35904', 0, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.210175+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (5, 0, NULL, 6244, 22, 4096, '\x19abd47c2204a6fc40e21332536de21d', false, 1, 2, 29525, '2026-11-30 14:11:34.168281+00', '\x0b6a75d51f5f88e528a66ff385c35904', 22, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.222182+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (7, 0, NULL, 3051, 60, 3051, '\x2ee5d1480853a610f1c3a42ed978722b', true, 1, NULL, NULL, NULL, '\x1e339b0aeb9564f7b5eb71a67d989526', 60, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.289969+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (8, 0, NULL, 208, 4, 208, '\xefb6ac9212a6baf4f5fa9c7314b2ed50', true, 1, NULL, NULL, NULL, '\x1e339b0aeb9564f7b5eb71a67d989526', 4, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.292215+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (10, 0, NULL, 0, 0, 0, '\xaf1349b9f5f9a1a6a0404dea36dcc949', false, 1, 4, 29547, '2026-11-30 14:11:34.312694+00', '\x1e339b0aeb9564f7b5eb71a67d989526', 0, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.345104+00', NULL, 0);
INSERT INTO logmill.checkpoints VALUES (9, 0, NULL, 2145, 42, 2145, '\x2dc2eb3249363fe7f53668e18893e6f3', false, 1, 4, 29547, '2026-11-30 14:11:34.312694+00', '\x1e339b0aeb9564f7b5eb71a67d989526', 42, 0, 0, 0, 0, 0, 0, '2026-11-30 14:11:34.355227+00', NULL, 0);


--
-- Data for Name: containers; Type: TABLE DATA; Schema: logmill; Owner: -
--

INSERT INTO logmill.containers VALUES (2, 1558, '\x806daa62ea6f265f4f885c9aabddc64e', '\x806daa62ea6f265f4f885c9aabddc64e');
INSERT INTO logmill.containers VALUES (7, 448, '\xda396e3732e0de4ab9b7236e87fb82e9', '\xda396e3732e0de4ab9b7236e87fb82e9');
INSERT INTO logmill.containers VALUES (8, 80, '\x701b43f565ef4f348511095b7dba4268', '\x701b43f565ef4f348511095b7dba4268');
INSERT INTO logmill.containers VALUES (9, 455, '\xb65ce7dcbff834d3ae1693d3531c1d3d', '\xb65ce7dcbff834d3ae1693d3531c1d3d');
INSERT INTO logmill.containers VALUES (10, 80, '\x701b43f565ef4f348511095b7dba4268', '\x701b43f565ef4f348511095b7dba4268');


--
-- Data for Name: dates; Type: TABLE DATA; Schema: logmill; Owner: -
--

INSERT INTO logmill.dates VALUES ('days', 'public.days', '2023-10-27', 'done', NULL);
INSERT INTO logmill.dates VALUES ('days', 'public.days', '2023-10-28', 'partial', NULL);


--
-- Data for Name: dead_letters; Type: TABLE DATA; Schema: logmill; Owner: -
--

INSERT INTO logmill.dead_letters OVERRIDING SYSTEM VALUE VALUES (3, 'app', 3, 4287, 18, 57, '\x7b226e223a39362c226174223a22323032332d31302d3237222c226c6576656c223a22494e464f222c226d657373616765223a22613b62227d', NULL, 'schema', '[{"code": "string_pattern_mismatch", "field": "message", "input": "a;b", "message": "does not match the pattern ^[^;]*$"}]', 'open', 1, '2026-11-30 14:11:34.134183+00', '2026-11-30 14:11:34.134183+00', NULL, NULL, NULL, '\x0b6a75d51f5f88e528a66ff385c35904', 0, NULL);
INSERT INTO logmill.dead_letters OVERRIDING SYSTEM VALUE VALUES (4, 'app', 3, 8358, 33, 9, '\x7b226e223a3131317d', NULL, 'schema', '[{"code": "missing", "field": "at", "message": "this field is required"}, {"code": "missing", "field": "level", "message": "this field is required"}, {"code": "missing", "field": "message", "message": "this field is required"}]', 'open', 1, '2026-11-30 14:11:34.138109+00', '2026-11-30 14:11:34.138109+00', NULL, NULL, NULL, '\x0b6a75d51f5f88e528a66ff385c35904', 0, NULL);
INSERT INTO logmill.dead_letters OVERRIDING SYSTEM VALUE VALUES (1, 'app', 3, 4243, 16, 35, '\x7b226e223a302c226174223a226e65766572222c226c6576656c223a224c4f5544227d', NULL, 'schema', '[{"code": "greater_than_equal", "field": "n", "input": "0", "message": "less than 1"}, {"code": "datetime_from_date_parsing", "field": "at", "input": "never", "message": "text that is neither a timestamp nor a date"}, {"code": "enum", "field": "level", "input": "LOUD", "message": "none of \"INFO\", \"WARN\", \"ERROR\""}, {"code": "missing", "field": "message", "message": "this field is required"}]', 'replayed', 1, '2026-11-30 14:11:34.134183+00', '2026-11-30 14:11:34.134183+00', NULL, NULL, NULL, '\x0b6a75d51f5f88e528a66ff385c35904', 0, NULL);
INSERT INTO logmill.dead_letters OVERRIDING SYSTEM VALUE VALUES (2, 'app', 3, 4279, 17, 7, '\x6e6f206a736f6e', NULL, 'parse', '[{"code": "json_invalid", "field": "", "message": "something that is not a JSON value, at byte 0 of the record"}]', 'discarded', 1, '2026-11-30 14:11:34.134183+00', '2026-11-30 14:11:34.134183+00', 'noise', NULL, NULL, '\x0b6a75d51f5f88e528a66ff385c35904', 0, NULL);
INSERT INTO logmill.dead_letters OVERRIDING SYSTEM VALUE VALUES (5, 'app', 3, 4287, 18, 57, '\x7b226e223a39362c226174223a22323032332d31302d3237222c226c6576656c223a22494e464f222c226d657373616765223a22613b62227d', NULL, 'schema', '[{"code": "string_pattern_mismatch", "field": "message", "input": "a;b", "message": "does not match the pattern ^[^;]*$"}]', 'superseded', 1, '2026-11-30 14:11:34.641437+00', '2026-11-30 14:11:34.641437+00', NULL, NULL, NULL, NULL, 0, NULL);


--
-- Data for Name: dirty_dates; Type: TABLE DATA; Schema: logmill; Owner: -
--



--
-- Data for Name: meta; Type: TABLE DATA; Schema: logmill; Owner: -
--

INSERT INTO logmill.meta VALUES (true, 6, 14);


--
-- Data for Name: metrics; Type: TABLE DATA; Schema: logmill; Owner: -
--



--
-- Data for Name: rollups; Type: TABLE DATA; Schema: logmill; Owner: -
--

INSERT INTO logmill.rollups VALUES ('', NULL, NULL);


--
-- Data for Name: runs; Type: TABLE DATA; Schema: logmill; Owner: -
--

INSERT INTO logmill.runs OVERRIDING SYSTEM VALUE VALUES (1, 'app', NULL, 'load', '2026-11-30 14:11:34.089093+00', '2026-11-30 14:11:34.150556+00', 'rejects', 3, 128, 124, 0, 0, 0, 4, 0, 0, 34659, '0.1.0', '\x0b6a75d51f5f88e528a66ff385c35904');
INSERT INTO logmill.runs OVERRIDING SYSTEM VALUE VALUES (2, 'app', NULL, 'load', '2026-11-30 14:11:34.208717+00', NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, '0.1.0', '\x0b6a75d51f5f88e528a66ff385c35904');
INSERT INTO logmill.runs OVERRIDING SYSTEM VALUE VALUES (3, 'days', '2023-10-27', 'load', '2026-11-30 14:11:34.275295+00', '2026-11-30 14:11:34.300117+00', 'finished', 0, 64, 64, 0, 0, 0, 0, 0, 0, 3259, '0.1.0', '\x1e339b0aeb9564f7b5eb71a67d989526');
INSERT INTO logmill.runs OVERRIDING SYSTEM VALUE VALUES (4, 'days', '2023-10-28', 'load', '2026-11-30 14:11:34.343837+00', NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, '0.1.0', '\x1e339b0aeb9564f7b5eb71a67d989526');
INSERT INTO logmill.runs OVERRIDING SYSTEM VALUE VALUES (5, 'users', NULL, 'load', '2026-11-30 14:11:34.418358+00', NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, '0.1.0', '\x4ea83da3e396bc63d1ea1ac640444825');
INSERT INTO logmill.runs OVERRIDING SYSTEM VALUE VALUES (6, 'events', NULL, 'load', '2026-11-30 14:11:34.492839+00', '2026-11-30 14:11:34.518897+00', 'finished', 0, 60, 60, 0, 0, 0, 0, 0, 0, 3081, '0.1.0', '\xd27f483c0e1737a59f868f24fab23d12');
INSERT INTO logmill.runs OVERRIDING SYSTEM VALUE VALUES (7, 'plain', NULL, 'load', '2026-11-30 14:11:34.583374+00', '2026-11-30 14:11:34.597536+00', 'finished', 0, 60, 60, 0, 0, 0, 0, 0, 0, 3180, '0.1.0', '\xea515f59e6404711df56a5ea27e18bf5');


--
-- Data for Name: sources; Type: TABLE DATA; Schema: logmill; Owner: -
--

INSERT INTO logmill.sources VALUES (1, 'app', NULL, '{folder}/jobs/../logs/app/1-done.ndjson', 11093, 11093, '\xf27d539b0a500798a086fcdf75b7b7d2', NULL, '2026-11-30 14:11:34.090602+00', 'public.app', 65024, 10716576, 0);
INSERT INTO logmill.sources VALUES (2, 'app', NULL, '{folder}/jobs/../logs/app/2-archive.ndjson.gz', 11151, 11151, '\xf61f1c75582fd0e7340c352202f72a87', NULL, '2026-11-30 14:11:34.090602+00', 'public.app', 65024, 10716577, 0);
INSERT INTO logmill.sources VALUES (3, 'app', NULL, '{folder}/jobs/../logs/app/3-letters.ndjson', 8368, 8368, '\xbf53c3ba05984dcd49b82ec007dfb15d', NULL, '2026-11-30 14:11:34.090602+00', 'public.app', 65024, 10716578, 0);
INSERT INTO logmill.sources VALUES (4, 'app', NULL, '{folder}/jobs/../logs/app/4-tail.ndjson', 4047, 4047, '\xb28812b9cef6fb688b2999264e74a73d', 3985, '2026-11-30 14:11:34.090602+00', 'public.app', 65024, 10716579, 0);
INSERT INTO logmill.sources VALUES (5, 'app', NULL, '{folder}/jobs/../logs/app/5-half.ndjson', 17018, 17018, '\xd9d11e5950736cc8e88f51c7454de89a', NULL, '2026-11-30 14:11:34.210175+00', 'public.app', 65024, 10716580, 0);
INSERT INTO logmill.sources VALUES (6, 'app', NULL, '{folder}/jobs/../logs/app/6-waiting.ndjson', 5640, 5640, '\xc45084f6a9969dc07b9e9caa3b926186', NULL, '2026-11-30 14:11:34.210175+00', 'public.app', 65024, 10716581, 0);
INSERT INTO logmill.sources VALUES (7, 'days', '2023-10-27', '{folder}/jobs/../logs/days/2023-10-27/a.ndjson.gz', 3051, 3051, '\x2ee5d1480853a610f1c3a42ed978722b', NULL, '2026-11-30 14:11:34.276442+00', 'public.days', 65024, 10716584, 0);
INSERT INTO logmill.sources VALUES (8, 'days', '2023-10-27', '{folder}/jobs/../logs/days/2023-10-27/quiet.ndjson.gz', 208, 208, '\xefb6ac9212a6baf4f5fa9c7314b2ed50', NULL, '2026-11-30 14:11:34.276442+00', 'public.days', 65024, 10716585, 0);
INSERT INTO logmill.sources VALUES (9, 'days', '2023-10-28', '{folder}/jobs/../logs/days/2023-10-28/a.ndjson.gz', 3081, 3081, '\xe381fd518504694fbb1ca24ec834855d', NULL, '2026-11-30 14:11:34.345104+00', 'public.days', 65024, 10716587, 0);
INSERT INTO logmill.sources VALUES (10, 'days', '2023-10-28', '{folder}/jobs/../logs/days/2023-10-28/quiet.ndjson.gz', 208, 208, '\xefb6ac9212a6baf4f5fa9c7314b2ed50', NULL, '2026-11-30 14:11:34.345104+00', 'public.days', 65024, 10716588, 0);
INSERT INTO logmill.sources VALUES (11, 'users', NULL, '{folder}/jobs/../logs/users.ndjson', 6439, 6439, '\xac73f178730eb793e8c2862b8a0da8ee', NULL, '2026-11-30 14:11:34.420478+00', 'public.users', 65024, 10716591, 0);
INSERT INTO logmill.sources VALUES (12, 'events', NULL, '-', 3081, 3081, '\x9099a8051b2962befa194896cb0737d8', NULL, '2026-11-30 14:11:34.493973+00', 'public.events', NULL, NULL, 0);
INSERT INTO logmill.sources VALUES (13, 'plain', NULL, '{folder}/jobs/../logs/plain.ndjson', 3180, 3180, '\xd15cf4f468f8fc3bc50504b8010d10aa', NULL, '2026-11-30 14:11:34.584212+00', 'public.plain', 65024, 10716593, 0);


--
-- Data for Name: app; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.app VALUES (1, '2023-10-26 23:01:56.789+00', '2023-10-27 09:46:40.001+00', '2023-10-27 10:01:00', '2023-10-27', '10:01:00', 'INFO', 'request 1', 'web1', 1.5, 1.25, true, '00000000-0000-4000-8000-000000000001', '10.0.0.1', '[1]', '{"x": 1, "y": 0}', '{a,b1}', '{"more": {"n": 1}}', 1, 0);
INSERT INTO public.app VALUES (2, '2023-10-27 00:02:56.789+00', '2023-10-27 09:46:40.002+00', '2023-10-27 10:02:00', '2023-10-27', '10:02:00', 'INFO', 'request 2', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000002', '10.0.0.2', '[2]', '{"x": 2, "y": 0}', '{a,b2}', '{"more": {"n": 2}}', 1, 363);
INSERT INTO public.app VALUES (3, '2023-10-27 01:03:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 3', 'web0', 3.5, 3.25, true, '00000000-0000-4000-8000-000000000003', '10.0.0.3', '[3]', '{"x": 3, "y": 0}', '{a,b3}', '{"more": {"n": 3}}', 1, 660);
INSERT INTO public.app VALUES (4, '2023-10-27 02:04:56.789+00', '2023-10-27 09:46:40.004+00', '2023-10-27 10:04:00', '2023-10-27', '10:04:00', 'INFO', 'request 4', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000004', '10.0.0.4', '[4]', NULL, NULL, '{}', 1, 936);
INSERT INTO public.app VALUES (5, '2023-10-27 03:05:56.789+00', '2023-10-27 09:46:40.005+00', '2023-10-27 10:05:00', '2023-10-27', '10:05:00', 'INFO', 'request 5', 'web2', 5.5, 5.25, true, NULL, NULL, NULL, '{"x": 5, "y": 0}', '{a,b5}', '{"more": {"n": 5}}', 1, 1184);
INSERT INTO public.app VALUES (6, '2023-10-27 04:06:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 6', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000006', '10.0.0.6', '[6]', '{"x": 6, "y": 0}', '{a,b6}', '{"more": {"n": 6}}', 1, 1463);
INSERT INTO public.app VALUES (7, '2023-10-27 05:07:56.789+00', '2023-10-27 09:46:40.007+00', '2023-10-27 10:07:00', '2023-10-27', '10:07:00', 'WARN', 'request 7', 'web1', 7.5, 7.25, true, '00000000-0000-4000-8000-000000000007', '10.0.0.7', '[7]', '{"x": 7, "y": 0}', '{a,b7}', '{"more": {"n": 7}}', 1, 1673);
INSERT INTO public.app VALUES (8, '2023-10-27 06:08:56.789+00', '2023-10-27 09:46:40.008+00', '2023-10-27 10:08:00', '2023-10-27', '10:08:00', 'INFO', 'request 8', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000008', '10.0.0.8', '[8]', NULL, NULL, '{}', 1, 2036);
INSERT INTO public.app VALUES (9, '2023-10-27 07:09:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 9', 'web0', 9.5, 9.25, true, '00000000-0000-4000-8000-000000000009', '10.0.0.9', '[9]', '{"x": 9, "y": 0}', '{a,b0}', '{"more": {"n": 9}}', 1, 2284);
INSERT INTO public.app VALUES (10, '2023-10-27 08:10:56.789+00', '2023-10-27 09:46:40.01+00', '2023-10-27 10:10:00', '2023-10-27', '10:10:00', 'INFO', 'request 10', 'unknown', NULL, NULL, false, NULL, NULL, NULL, '{"x": 10, "y": 0}', '{a,b1}', '{"more": {"n": 10}}', 1, 2560);
INSERT INTO public.app VALUES (11, '2023-10-27 09:11:56.789+00', '2023-10-27 09:46:40.011+00', '2023-10-27 10:11:00', '2023-10-27', '10:11:00', 'INFO', 'request 11', 'web2', 11.5, 11.25, true, '00000000-0000-4000-8000-000000000011', '10.0.0.11', '[11]', '{"x": 11, "y": 0}', '{a,b2}', '{"more": {"n": 11}}', 1, 2777);
INSERT INTO public.app VALUES (12, '2023-10-27 10:12:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 12', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000012', '10.0.0.12', '[12]', NULL, NULL, '{}', 1, 3148);
INSERT INTO public.app VALUES (13, '2023-10-27 11:13:56.789+00', '2023-10-27 09:46:40.013+00', '2023-10-27 10:13:00', '2023-10-27', '10:13:00', 'INFO', 'request 13', 'web1', 13.5, 13.25, true, '00000000-0000-4000-8000-000000000013', '10.0.0.13', '[13]', '{"x": 13, "y": 0}', '{a,b4}', '{"more": {"n": 13}}', 1, 3313);
INSERT INTO public.app VALUES (14, '2023-10-27 12:14:56.789+00', '2023-10-27 09:46:40.014+00', '2023-10-27 10:14:00', '2023-10-27', '10:14:00', 'WARN', 'request 14', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000014', '10.0.0.14', '[14]', '{"x": 14, "y": 0}', '{a,b5}', '{"more": {"n": 14}}', 1, 3684);
INSERT INTO public.app VALUES (15, '2023-10-27 13:15:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 15', 'web0', 15.5, 15.25, true, NULL, NULL, NULL, '{"x": 15, "y": 0}', '{a,b6}', '{"more": {"n": 15}}', 1, 3987);
INSERT INTO public.app VALUES (16, '2023-10-27 14:16:56.789+00', '2023-10-27 09:46:40.016+00', '2023-10-27 10:16:00', '2023-10-27', '10:16:00', 'INFO', 'request 16', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000016', '10.0.0.16', '[16]', NULL, NULL, '{}', 1, 4185);
INSERT INTO public.app VALUES (17, '2023-10-27 15:17:56.789+00', '2023-10-27 09:46:40.017+00', '2023-10-27 10:17:00', '2023-10-27', '10:17:00', 'INFO', 'request 17', 'web2', 17.5, 17.25, true, '00000000-0000-4000-8000-000000000017', '10.0.0.17', '[17]', '{"x": 17, "y": 0}', '{a,b8}', '{"more": {"n": 17}}', 1, 4437);
INSERT INTO public.app VALUES (18, '2023-10-27 16:18:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 18', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000018', '10.0.0.18', '[18]', '{"x": 18, "y": 0}', '{a,b0}', '{"more": {"n": 18}}', 1, 4808);
INSERT INTO public.app VALUES (19, '2023-10-27 17:19:56.789+00', '2023-10-27 09:46:40.019+00', '2023-10-27 10:19:00', '2023-10-27', '10:19:00', 'INFO', 'request 19', 'web1', 19.5, 19.25, true, '00000000-0000-4000-8000-000000000019', '10.0.0.19', '[19]', '{"x": 19, "y": 0}', '{a,b1}', '{"more": {"n": 19}}', 1, 5024);
INSERT INTO public.app VALUES (20, '2023-10-27 18:20:56.789+00', '2023-10-27 09:46:40.02+00', '2023-10-27 10:20:00', '2023-10-27', '10:20:00', 'INFO', 'request 20', 'unknown', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, '{}', 1, 5395);
INSERT INTO public.app VALUES (21, '2023-10-27 19:21:56.789+00', NULL, NULL, NULL, NULL, 'WARN', 'request 21', 'web0', 21.5, 21.25, true, '00000000-0000-4000-8000-000000000021', '10.0.0.21', '[21]', '{"x": 21, "y": 0}', '{a,b3}', '{"more": {"n": 21}}', 1, 5561);
INSERT INTO public.app VALUES (22, '2023-10-27 20:22:56.789+00', '2023-10-27 09:46:40.022+00', '2023-10-27 10:22:00', '2023-10-27', '10:22:00', 'INFO', 'request 22', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000022', '10.0.0.22', '[22]', '{"x": 22, "y": 0}', '{a,b4}', '{"more": {"n": 22}}', 1, 5845);
INSERT INTO public.app VALUES (23, '2023-10-27 21:23:56.789+00', '2023-10-27 09:46:40.023+00', '2023-10-27 10:23:00', '2023-10-27', '10:23:00', 'INFO', 'request 23', 'web2', 23.5, 23.25, true, '00000000-0000-4000-8000-000000000023', '10.0.0.23', '[23]', '{"x": 23, "y": 0}', '{a,b5}', '{"more": {"n": 23}}', 1, 6148);
INSERT INTO public.app VALUES (24, '2023-10-26 22:24:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 24', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000024', '10.0.0.24', '[24]', NULL, NULL, '{}', 1, 6519);
INSERT INTO public.app VALUES (25, '2023-10-26 23:25:56.789+00', '2023-10-27 09:46:40.025+00', '2023-10-27 10:25:00', '2023-10-27', '10:25:00', 'INFO', 'request 25', 'web1', 25.5, 25.25, true, NULL, NULL, NULL, '{"x": 25, "y": 0}', '{a,b7}', '{"more": {"n": 25}}', 1, 6684);
INSERT INTO public.app VALUES (26, '2023-10-27 00:26:56.789+00', '2023-10-27 09:46:40.026+00', '2023-10-27 10:26:00', '2023-10-27', '10:26:00', 'INFO', 'request 26', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000026', '10.0.0.26', '[26]', '{"x": 26, "y": 0}', '{a,b8}', '{"more": {"n": 26}}', 1, 6969);
INSERT INTO public.app VALUES (27, '2023-10-27 01:27:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 27', 'web0', 27.5, 27.25, true, '00000000-0000-4000-8000-000000000027', '10.0.0.27', '[27]', '{"x": 27, "y": 0}', '{a,b0}', '{"more": {"n": 27}}', 1, 7272);
INSERT INTO public.app VALUES (28, '2023-10-27 02:28:56.789+00', '2023-10-27 09:46:40.028+00', '2023-10-27 10:28:00', '2023-10-27', '10:28:00', 'WARN', 'request 28', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000028', '10.0.0.28', '[28]', NULL, NULL, '{}', 1, 7556);
INSERT INTO public.app VALUES (29, '2023-10-27 03:29:56.789+00', '2023-10-27 09:46:40.029+00', '2023-10-27 10:29:00', '2023-10-27', '10:29:00', 'INFO', 'request 29', 'web2', 29.5, 29.25, true, '00000000-0000-4000-8000-000000000029', '10.0.0.29', '[29]', '{"x": 29, "y": 0}', '{a,b2}', '{"more": {"n": 29}}', 1, 7808);
INSERT INTO public.app VALUES (30, '2023-10-27 04:30:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 30', 'unknown', NULL, NULL, false, NULL, NULL, NULL, '{"x": 30, "y": 0}', '{a,b3}', '{"more": {"n": 30}}', 1, 8179);
INSERT INTO public.app VALUES (31, '2023-10-27 05:31:56.789+00', '2023-10-27 09:46:40.031+00', '2023-10-27 10:31:00', '2023-10-27', '10:31:00', 'INFO', 'request 31', 'web1', 31.5, 31.25, true, '00000000-0000-4000-8000-000000000031', '10.0.0.31', '[31]', '{"x": 31, "y": 0}', '{a,b4}', '{"more": {"n": 31}}', 1, 8309);
INSERT INTO public.app VALUES (32, '2023-10-27 06:32:56.789+00', '2023-10-27 09:46:40.032+00', '2023-10-27 10:32:00', '2023-10-27', '10:32:00', 'INFO', 'request 32', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000032', '10.0.0.32', '[32]', NULL, NULL, '{}', 1, 8680);
INSERT INTO public.app VALUES (33, '2023-10-27 07:33:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 33', 'web0', 33.5, 33.25, true, '00000000-0000-4000-8000-000000000033', '10.0.0.33', '[33]', '{"x": 33, "y": 0}', '{a,b6}', '{"more": {"n": 33}}', 1, 8932);
INSERT INTO public.app VALUES (34, '2023-10-27 08:34:56.789+00', '2023-10-27 09:46:40.034+00', '2023-10-27 10:34:00', '2023-10-27', '10:34:00', 'INFO', 'request 34', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000034', '10.0.0.34', '[34]', '{"x": 34, "y": 0}', '{a,b7}', '{"more": {"n": 34}}', 1, 9216);
INSERT INTO public.app VALUES (35, '2023-10-27 09:35:56.789+00', '2023-10-27 09:46:40.035+00', '2023-10-27 10:35:00', '2023-10-27', '10:35:00', 'WARN', 'request 35', 'web2', 35.5, 35.25, true, NULL, NULL, NULL, '{"x": 35, "y": 0}', '{a,b8}', '{"more": {"n": 35}}', 1, 9519);
INSERT INTO public.app VALUES (36, '2023-10-27 10:36:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 36', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000036', '10.0.0.36', '[36]', NULL, NULL, '{}', 1, 9804);
INSERT INTO public.app VALUES (37, '2023-10-27 11:37:56.789+00', '2023-10-27 09:46:40.037+00', '2023-10-27 10:37:00', '2023-10-27', '10:37:00', 'INFO', 'request 37', 'web1', 37.5, 37.25, true, '00000000-0000-4000-8000-000000000037', '10.0.0.37', '[37]', '{"x": 37, "y": 0}', '{a,b1}', '{"more": {"n": 37}}', 1, 9969);
INSERT INTO public.app VALUES (38, '2023-10-27 12:38:56.789+00', '2023-10-27 09:46:40.038+00', '2023-10-27 10:38:00', '2023-10-27', '10:38:00', 'INFO', 'request 38', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000038', '10.0.0.38', '[38]', '{"x": 38, "y": 0}', '{a,b2}', '{"more": {"n": 38}}', 1, 10340);
INSERT INTO public.app VALUES (39, '2023-10-27 13:39:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 39', 'web0', 39.5, 39.25, true, '00000000-0000-4000-8000-000000000039', '10.0.0.39', '[39]', '{"x": 39, "y": 0}', '{a,b3}', '{"more": {"n": 39}}', 1, 10643);
INSERT INTO public.app VALUES (40, '2023-10-27 14:40:56.789+00', '2023-10-27 09:46:40.04+00', '2023-10-27 10:40:00', '2023-10-27', '10:40:00', 'INFO', 'request 40', 'unknown', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, '{}', 1, 10927);
INSERT INTO public.app VALUES (41, '2023-10-27 15:41:56.789+00', '2023-10-27 09:46:40.041+00', '2023-10-27 10:41:00', '2023-10-27', '10:41:00', 'INFO', 'request 41', 'web2', 41.5, 41.25, true, '00000000-0000-4000-8000-000000000041', '10.0.0.41', '[41]', '{"x": 41, "y": 0}', '{a,b5}', '{"more": {"n": 41}}', 2, 0);
INSERT INTO public.app VALUES (42, '2023-10-27 16:42:56.789+00', NULL, NULL, NULL, NULL, 'WARN', 'request 42', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000042', '10.0.0.42', '[42]', '{"x": 42, "y": 0}', '{a,b6}', '{"more": {"n": 42}}', 2, 371);
INSERT INTO public.app VALUES (43, '2023-10-27 17:43:56.789+00', '2023-10-27 09:46:40.043+00', '2023-10-27 10:43:00', '2023-10-27', '10:43:00', 'INFO', 'request 43', 'web1', 43.5, 43.25, true, '00000000-0000-4000-8000-000000000043', '10.0.0.43', '[43]', '{"x": 43, "y": 0}', '{a,b7}', '{"more": {"n": 43}}', 2, 587);
INSERT INTO public.app VALUES (44, '2023-10-27 18:44:56.789+00', '2023-10-27 09:46:40.044+00', '2023-10-27 10:44:00', '2023-10-27', '10:44:00', 'INFO', 'request 44', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000044', '10.0.0.44', '[44]', NULL, NULL, '{}', 2, 958);
INSERT INTO public.app VALUES (45, '2023-10-27 19:45:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 45', 'web0', 45.5, 45.25, true, NULL, NULL, NULL, '{"x": 45, "y": 0}', '{a,b0}', '{"more": {"n": 45}}', 2, 1210);
INSERT INTO public.app VALUES (46, '2023-10-27 20:46:56.789+00', '2023-10-27 09:46:40.046+00', '2023-10-27 10:46:00', '2023-10-27', '10:46:00', 'INFO', 'request 46', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000046', '10.0.0.46', '[46]', '{"x": 46, "y": 0}', '{a,b1}', '{"more": {"n": 46}}', 2, 1408);
INSERT INTO public.app VALUES (47, '2023-10-27 21:47:56.789+00', '2023-10-27 09:46:40.047+00', '2023-10-27 10:47:00', '2023-10-27', '10:47:00', 'INFO', 'request 47', 'web2', 47.5, 47.25, true, '00000000-0000-4000-8000-000000000047', '10.0.0.47', '[47]', '{"x": 47, "y": 0}', '{a,b2}', '{"more": {"n": 47}}', 2, 1711);
INSERT INTO public.app VALUES (48, '2023-10-26 22:48:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 48', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000048', '10.0.0.48', '[48]', NULL, NULL, '{}', 2, 2082);
INSERT INTO public.app VALUES (49, '2023-10-26 23:49:56.789+00', '2023-10-27 09:46:40.049+00', '2023-10-27 10:49:00', '2023-10-27', '10:49:00', 'WARN', 'request 49', 'web1', 49.5, 49.25, true, '00000000-0000-4000-8000-000000000049', '10.0.0.49', '[49]', '{"x": 49, "y": 0}', '{a,b4}', '{"more": {"n": 49}}', 2, 2247);
INSERT INTO public.app VALUES (50, '2023-10-27 00:50:56.789+00', '2023-10-27 09:46:40.05+00', '2023-10-27 10:50:00', '2023-10-27', '10:50:00', 'INFO', 'request 50', 'unknown', NULL, NULL, false, NULL, NULL, NULL, '{"x": 50, "y": 0}', '{a,b5}', '{"more": {"n": 50}}', 2, 2618);
INSERT INTO public.app VALUES (51, '2023-10-27 01:51:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 51', 'web0', 51.5, 51.25, true, '00000000-0000-4000-8000-000000000051', '10.0.0.51', '[51]', '{"x": 51, "y": 0}', '{a,b6}', '{"more": {"n": 51}}', 2, 2835);
INSERT INTO public.app VALUES (52, '2023-10-27 02:52:56.789+00', '2023-10-27 09:46:40.052+00', '2023-10-27 10:52:00', '2023-10-27', '10:52:00', 'INFO', 'request 52', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000052', '10.0.0.52', '[52]', NULL, NULL, '{}', 2, 3119);
INSERT INTO public.app VALUES (53, '2023-10-27 03:53:56.789+00', '2023-10-27 09:46:40.053+00', '2023-10-27 10:53:00', '2023-10-27', '10:53:00', 'INFO', 'request 53', 'web2', 53.5, 53.25, true, '00000000-0000-4000-8000-000000000053', '10.0.0.53', '[53]', '{"x": 53, "y": 0}', '{a,b8}', '{"more": {"n": 53}}', 2, 3371);
INSERT INTO public.app VALUES (54, '2023-10-27 04:54:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 54', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000054', '10.0.0.54', '[54]', '{"x": 54, "y": 0}', '{a,b0}', '{"more": {"n": 54}}', 2, 3742);
INSERT INTO public.app VALUES (55, '2023-10-27 05:55:56.789+00', '2023-10-27 09:46:40.055+00', '2023-10-27 10:55:00', '2023-10-27', '10:55:00', 'INFO', 'request 55', 'web1', 55.5, 55.25, true, NULL, NULL, NULL, '{"x": 55, "y": 0}', '{a,b1}', '{"more": {"n": 55}}', 2, 3958);
INSERT INTO public.app VALUES (56, '2023-10-27 06:56:56.789+00', '2023-10-27 09:46:40.056+00', '2023-10-27 10:56:00', '2023-10-27', '10:56:00', 'WARN', 'request 56', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000056', '10.0.0.56', '[56]', NULL, NULL, '{}', 2, 4243);
INSERT INTO public.app VALUES (57, '2023-10-27 07:57:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 57', 'web0', 57.5, 57.25, true, '00000000-0000-4000-8000-000000000057', '10.0.0.57', '[57]', '{"x": 57, "y": 0}', '{a,b3}', '{"more": {"n": 57}}', 2, 4495);
INSERT INTO public.app VALUES (58, '2023-10-27 08:58:56.789+00', '2023-10-27 09:46:40.058+00', '2023-10-27 10:58:00', '2023-10-27', '10:58:00', 'INFO', 'request 58', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000058', '10.0.0.58', '[58]', '{"x": 58, "y": 0}', '{a,b4}', '{"more": {"n": 58}}', 2, 4779);
INSERT INTO public.app VALUES (59, '2023-10-27 09:59:56.789+00', '2023-10-27 09:46:40.059+00', '2023-10-27 10:59:00', '2023-10-27', '10:59:00', 'INFO', 'request 59', 'web2', 59.5, 59.25, true, '00000000-0000-4000-8000-000000000059', '10.0.0.59', '[59]', '{"x": 59, "y": 0}', '{a,b5}', '{"more": {"n": 59}}', 2, 5082);
INSERT INTO public.app VALUES (60, '2023-10-27 10:00:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 60', 'unknown', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, '{}', 2, 5453);
INSERT INTO public.app VALUES (61, '2023-10-27 11:01:56.789+00', '2023-10-27 09:46:40.061+00', '2023-10-27 10:01:00', '2023-10-27', '10:01:00', 'INFO', 'request 61', 'web1', 61.5, 61.25, true, '00000000-0000-4000-8000-000000000061', '10.0.0.61', '[61]', '{"x": 61, "y": 0}', '{a,b7}', '{"more": {"n": 61}}', 2, 5532);
INSERT INTO public.app VALUES (62, '2023-10-27 12:02:56.789+00', '2023-10-27 09:46:40.062+00', '2023-10-27 10:02:00', '2023-10-27', '10:02:00', 'INFO', 'request 62', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000062', '10.0.0.62', '[62]', '{"x": 62, "y": 0}', '{a,b8}', '{"more": {"n": 62}}', 2, 5903);
INSERT INTO public.app VALUES (63, '2023-10-27 13:03:56.789+00', NULL, NULL, NULL, NULL, 'WARN', 'request 63', 'web0', 63.5, 63.25, true, '00000000-0000-4000-8000-000000000063', '10.0.0.63', '[63]', '{"x": 63, "y": 0}', '{a,b0}', '{"more": {"n": 63}}', 2, 6206);
INSERT INTO public.app VALUES (64, '2023-10-27 14:04:56.789+00', '2023-10-27 09:46:40.064+00', '2023-10-27 10:04:00', '2023-10-27', '10:04:00', 'INFO', 'request 64', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000064', '10.0.0.64', '[64]', NULL, NULL, '{}', 2, 6490);
INSERT INTO public.app VALUES (65, '2023-10-27 15:05:56.789+00', '2023-10-27 09:46:40.065+00', '2023-10-27 10:05:00', '2023-10-27', '10:05:00', 'INFO', 'request 65', 'web2', 65.5, 65.25, true, NULL, NULL, NULL, '{"x": 65, "y": 0}', '{a,b2}', '{"more": {"n": 65}}', 2, 6742);
INSERT INTO public.app VALUES (66, '2023-10-27 16:06:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 66', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000066', '10.0.0.66', '[66]', '{"x": 66, "y": 0}', '{a,b3}', '{"more": {"n": 66}}', 2, 7027);
INSERT INTO public.app VALUES (67, '2023-10-27 17:07:56.789+00', '2023-10-27 09:46:40.067+00', '2023-10-27 10:07:00', '2023-10-27', '10:07:00', 'INFO', 'request 67', 'web1', 67.5, 67.25, true, '00000000-0000-4000-8000-000000000067', '10.0.0.67', '[67]', '{"x": 67, "y": 0}', '{a,b4}', '{"more": {"n": 67}}', 2, 7243);
INSERT INTO public.app VALUES (68, '2023-10-27 18:08:56.789+00', '2023-10-27 09:46:40.068+00', '2023-10-27 10:08:00', '2023-10-27', '10:08:00', 'INFO', 'request 68', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000068', '10.0.0.68', '[68]', NULL, NULL, '{}', 2, 7614);
INSERT INTO public.app VALUES (69, '2023-10-27 19:09:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 69', 'web0', 69.5, 69.25, true, '00000000-0000-4000-8000-000000000069', '10.0.0.69', '[69]', '{"x": 69, "y": 0}', '{a,b6}', '{"more": {"n": 69}}', 2, 7866);
INSERT INTO public.app VALUES (70, '2023-10-27 20:10:56.789+00', '2023-10-27 09:46:40.07+00', '2023-10-27 10:10:00', '2023-10-27', '10:10:00', 'WARN', 'request 70', 'unknown', NULL, NULL, false, NULL, NULL, NULL, '{"x": 70, "y": 0}', '{a,b7}', '{"more": {"n": 70}}', 2, 8150);
INSERT INTO public.app VALUES (71, '2023-10-27 21:11:56.789+00', '2023-10-27 09:46:40.071+00', '2023-10-27 10:11:00', '2023-10-27', '10:11:00', 'INFO', 'request 71', 'web2', 71.5, 71.25, true, '00000000-0000-4000-8000-000000000071', '10.0.0.71', '[71]', '{"x": 71, "y": 0}', '{a,b8}', '{"more": {"n": 71}}', 2, 8367);
INSERT INTO public.app VALUES (72, '2023-10-26 22:12:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 72', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000072', '10.0.0.72', '[72]', NULL, NULL, '{}', 2, 8738);
INSERT INTO public.app VALUES (73, '2023-10-26 23:13:56.789+00', '2023-10-27 09:46:40.073+00', '2023-10-27 10:13:00', '2023-10-27', '10:13:00', 'INFO', 'request 73', 'web1', 73.5, 73.25, true, '00000000-0000-4000-8000-000000000073', '10.0.0.73', '[73]', '{"x": 73, "y": 0}', '{a,b1}', '{"more": {"n": 73}}', 2, 8903);
INSERT INTO public.app VALUES (74, '2023-10-27 00:14:56.789+00', '2023-10-27 09:46:40.074+00', '2023-10-27 10:14:00', '2023-10-27', '10:14:00', 'INFO', 'request 74', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000074', '10.0.0.74', '[74]', '{"x": 74, "y": 0}', '{a,b2}', '{"more": {"n": 74}}', 2, 9274);
INSERT INTO public.app VALUES (75, '2023-10-27 01:15:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 75', 'web0', 75.5, 75.25, true, NULL, NULL, NULL, '{"x": 75, "y": 0}', '{a,b3}', '{"more": {"n": 75}}', 2, 9577);
INSERT INTO public.app VALUES (76, '2023-10-27 02:16:56.789+00', '2023-10-27 09:46:40.076+00', '2023-10-27 10:16:00', '2023-10-27', '10:16:00', 'INFO', 'request 76', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000076', '10.0.0.76', '[76]', NULL, NULL, '{}', 2, 9775);
INSERT INTO public.app VALUES (77, '2023-10-27 03:17:56.789+00', '2023-10-27 09:46:40.077+00', '2023-10-27 10:17:00', '2023-10-27', '10:17:00', 'WARN', 'request 77', 'web2', 77.5, 77.25, true, '00000000-0000-4000-8000-000000000077', '10.0.0.77', '[77]', '{"x": 77, "y": 0}', '{a,b5}', '{"more": {"n": 77}}', 2, 10027);
INSERT INTO public.app VALUES (78, '2023-10-27 04:18:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 78', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000078', '10.0.0.78', '[78]', '{"x": 78, "y": 0}', '{a,b6}', '{"more": {"n": 78}}', 2, 10398);
INSERT INTO public.app VALUES (79, '2023-10-27 05:19:56.789+00', '2023-10-27 09:46:40.079+00', '2023-10-27 10:19:00', '2023-10-27', '10:19:00', 'INFO', 'request 79', 'web1', 79.5, 79.25, true, '00000000-0000-4000-8000-000000000079', '10.0.0.79', '[79]', '{"x": 79, "y": 0}', '{a,b7}', '{"more": {"n": 79}}', 2, 10614);
INSERT INTO public.app VALUES (80, '2023-10-27 06:20:56.789+00', '2023-10-27 09:46:40.08+00', '2023-10-27 10:20:00', '2023-10-27', '10:20:00', 'INFO', 'request 80', 'unknown', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, '{}', 2, 10985);
INSERT INTO public.app VALUES (81, '2023-10-27 07:21:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 81', 'web0', 81.5, 81.25, true, '00000000-0000-4000-8000-000000000081', '10.0.0.81', '[81]', '{"x": 81, "y": 0}', '{a,b0}', '{"more": {"n": 81}}', 3, 0);
INSERT INTO public.app VALUES (82, '2023-10-27 08:22:56.789+00', '2023-10-27 09:46:40.082+00', '2023-10-27 10:22:00', '2023-10-27', '10:22:00', 'INFO', 'request 82', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000082', '10.0.0.82', '[82]', '{"x": 82, "y": 0}', '{a,b1}', '{"more": {"n": 82}}', 3, 284);
INSERT INTO public.app VALUES (83, '2023-10-27 09:23:56.789+00', '2023-10-27 09:46:40.083+00', '2023-10-27 10:23:00', '2023-10-27', '10:23:00', 'INFO', 'request 83', 'web2', 83.5, 83.25, true, '00000000-0000-4000-8000-000000000083', '10.0.0.83', '[83]', '{"x": 83, "y": 0}', '{a,b2}', '{"more": {"n": 83}}', 3, 587);
INSERT INTO public.app VALUES (84, '2023-10-27 10:24:56.789+00', NULL, NULL, NULL, NULL, 'WARN', 'request 84', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000084', '10.0.0.84', '[84]', NULL, NULL, '{}', 3, 958);
INSERT INTO public.app VALUES (85, '2023-10-27 11:25:56.789+00', '2023-10-27 09:46:40.085+00', '2023-10-27 10:25:00', '2023-10-27', '10:25:00', 'INFO', 'request 85', 'web1', 85.5, 85.25, true, NULL, NULL, NULL, '{"x": 85, "y": 0}', '{a,b4}', '{"more": {"n": 85}}', 3, 1123);
INSERT INTO public.app VALUES (86, '2023-10-27 12:26:56.789+00', '2023-10-27 09:46:40.086+00', '2023-10-27 10:26:00', '2023-10-27', '10:26:00', 'INFO', 'request 86', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000086', '10.0.0.86', '[86]', '{"x": 86, "y": 0}', '{a,b5}', '{"more": {"n": 86}}', 3, 1408);
INSERT INTO public.app VALUES (87, '2023-10-27 13:27:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 87', 'web0', 87.5, 87.25, true, '00000000-0000-4000-8000-000000000087', '10.0.0.87', '[87]', '{"x": 87, "y": 0}', '{a,b6}', '{"more": {"n": 87}}', 3, 1711);
INSERT INTO public.app VALUES (88, '2023-10-27 14:28:56.789+00', '2023-10-27 09:46:40.088+00', '2023-10-27 10:28:00', '2023-10-27', '10:28:00', 'INFO', 'request 88', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000088', '10.0.0.88', '[88]', NULL, NULL, '{}', 3, 1995);
INSERT INTO public.app VALUES (89, '2023-10-27 15:29:56.789+00', '2023-10-27 09:46:40.089+00', '2023-10-27 10:29:00', '2023-10-27', '10:29:00', 'INFO', 'request 89', 'web2', 89.5, 89.25, true, '00000000-0000-4000-8000-000000000089', '10.0.0.89', '[89]', '{"x": 89, "y": 0}', '{a,b8}', '{"more": {"n": 89}}', 3, 2247);
INSERT INTO public.app VALUES (90, '2023-10-27 16:30:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 90', 'unknown', NULL, NULL, false, NULL, NULL, NULL, '{"x": 90, "y": 0}', '{a,b0}', '{"more": {"n": 90}}', 3, 2618);
INSERT INTO public.app VALUES (91, '2023-10-27 17:31:56.789+00', '2023-10-27 09:46:40.091+00', '2023-10-27 10:31:00', '2023-10-27', '10:31:00', 'WARN', 'request 91', 'web1', 91.5, 91.25, true, '00000000-0000-4000-8000-000000000091', '10.0.0.91', '[91]', '{"x": 91, "y": 0}', '{a,b1}', '{"more": {"n": 91}}', 3, 2748);
INSERT INTO public.app VALUES (92, '2023-10-27 18:32:56.789+00', '2023-10-27 09:46:40.092+00', '2023-10-27 10:32:00', '2023-10-27', '10:32:00', 'INFO', 'request 92', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000092', '10.0.0.92', '[92]', NULL, NULL, '{}', 3, 3119);
INSERT INTO public.app VALUES (93, '2023-10-27 19:33:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 93', 'web0', 93.5, 93.25, true, '00000000-0000-4000-8000-000000000093', '10.0.0.93', '[93]', '{"x": 93, "y": 0}', '{a,b3}', '{"more": {"n": 93}}', 3, 3371);
INSERT INTO public.app VALUES (94, '2023-10-27 20:34:56.789+00', '2023-10-27 09:46:40.094+00', '2023-10-27 10:34:00', '2023-10-27', '10:34:00', 'INFO', 'request 94', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000094', '10.0.0.94', '[94]', '{"x": 94, "y": 0}', '{a,b4}', '{"more": {"n": 94}}', 3, 3655);
INSERT INTO public.app VALUES (95, '2023-10-27 21:35:56.789+00', '2023-10-27 09:46:40.095+00', '2023-10-27 10:35:00', '2023-10-27', '10:35:00', 'INFO', 'request 95', 'web2', 95.5, 95.25, true, NULL, NULL, NULL, '{"x": 95, "y": 0}', '{a,b5}', '{"more": {"n": 95}}', 3, 3958);
INSERT INTO public.app VALUES (97, '2023-10-26 23:37:56.789+00', '2023-10-27 09:46:40.097+00', '2023-10-27 10:37:00', '2023-10-27', '10:37:00', 'INFO', 'request 97', 'web1', 97.5, 97.25, true, '00000000-0000-4000-8000-000000000097', '10.0.0.97', '[97]', '{"x": 97, "y": 0}', '{a,b7}', '{"more": {"n": 97}}', 3, 4345);
INSERT INTO public.app VALUES (98, '2023-10-27 00:38:56.789+00', '2023-10-27 09:46:40.098+00', '2023-10-27 10:38:00', '2023-10-27', '10:38:00', 'WARN', 'request 98', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000098', '10.0.0.98', '[98]', '{"x": 98, "y": 0}', '{a,b8}', '{"more": {"n": 98}}', 3, 4716);
INSERT INTO public.app VALUES (99, '2023-10-27 01:39:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 99', 'web0', 0.5, 99.25, true, '00000000-0000-4000-8000-000000000099', '10.0.0.99', '[99]', '{"x": 99, "y": 0}', '{a,b0}', '{"more": {"n": 99}}', 3, 5019);
INSERT INTO public.app VALUES (100, '2023-10-27 02:40:56.789+00', '2023-10-27 09:46:40.1+00', '2023-10-27 10:40:00', '2023-10-27', '10:40:00', 'INFO', 'request 100', 'unknown', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, '{}', 3, 5302);
INSERT INTO public.app VALUES (101, '2023-10-27 03:41:56.789+00', '2023-10-27 09:46:40.101+00', '2023-10-27 10:41:00', '2023-10-27', '10:41:00', 'INFO', 'request 101', 'web2', 2.5, 101.25, true, '00000000-0000-4000-8000-000000000101', '10.0.0.101', '[101]', '{"x": 101, "y": 0}', '{a,b2}', '{"more": {"n": 101}}', 3, 5470);
INSERT INTO public.app VALUES (102, '2023-10-27 04:42:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 102', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000102', '10.0.0.102', '[102]', '{"x": 102, "y": 0}', '{a,b3}', '{"more": {"n": 102}}', 3, 5847);
INSERT INTO public.app VALUES (103, '2023-10-27 05:43:56.789+00', '2023-10-27 09:46:40.103+00', '2023-10-27 10:43:00', '2023-10-27', '10:43:00', 'INFO', 'request 103', 'web1', 4.5, 103.25, true, '00000000-0000-4000-8000-000000000103', '10.0.0.103', '[103]', '{"x": 103, "y": 0}', '{a,b4}', '{"more": {"n": 103}}', 3, 6069);
INSERT INTO public.app VALUES (104, '2023-10-27 06:44:56.789+00', '2023-10-27 09:46:40.104+00', '2023-10-27 10:44:00', '2023-10-27', '10:44:00', 'INFO', 'request 104', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000104', '10.0.0.104', '[104]', NULL, NULL, '{}', 3, 6446);
INSERT INTO public.app VALUES (105, '2023-10-27 07:45:56.789+00', NULL, NULL, NULL, NULL, 'WARN', 'request 105', 'web0', 6.5, 105.25, true, NULL, NULL, NULL, '{"x": 105, "y": 0}', '{a,b6}', '{"more": {"n": 105}}', 3, 6702);
INSERT INTO public.app VALUES (106, '2023-10-27 08:46:56.789+00', '2023-10-27 09:46:40.106+00', '2023-10-27 10:46:00', '2023-10-27', '10:46:00', 'INFO', 'request 106', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000106', '10.0.0.106', '[106]', '{"x": 106, "y": 0}', '{a,b7}', '{"more": {"n": 106}}', 3, 6904);
INSERT INTO public.app VALUES (107, '2023-10-27 09:47:56.789+00', '2023-10-27 09:46:40.107+00', '2023-10-27 10:47:00', '2023-10-27', '10:47:00', 'INFO', 'request 107', 'web2', 8.5, 107.25, true, '00000000-0000-4000-8000-000000000107', '10.0.0.107', '[107]', '{"x": 107, "y": 0}', '{a,b8}', '{"more": {"n": 107}}', 3, 7213);
INSERT INTO public.app VALUES (108, '2023-10-27 10:48:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 108', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000108', '10.0.0.108', '[108]', NULL, NULL, '{}', 3, 7590);
INSERT INTO public.app VALUES (109, '2023-10-27 11:49:56.789+00', '2023-10-27 09:46:40.109+00', '2023-10-27 10:49:00', '2023-10-27', '10:49:00', 'INFO', 'request 109', 'web1', 10.5, 109.25, true, '00000000-0000-4000-8000-000000000109', '10.0.0.109', '[109]', '{"x": 109, "y": 0}', '{a,b1}', '{"more": {"n": 109}}', 3, 7759);
INSERT INTO public.app VALUES (110, '2023-10-27 12:50:56.789+00', '2023-10-27 09:46:40.11+00', '2023-10-27 10:50:00', '2023-10-27', '10:50:00', 'INFO', 'request 110', 'unknown', NULL, NULL, false, NULL, NULL, NULL, '{"x": 110, "y": 0}', '{a,b2}', '{"more": {"n": 110}}', 3, 8137);
INSERT INTO public.app VALUES (112, '2023-10-27 14:52:56.789+00', '2023-10-27 09:46:40.112+00', '2023-10-27 10:52:00', '2023-10-27', '10:52:00', 'WARN', 'request 112', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000112', '10.0.0.112', '[112]', NULL, NULL, '{}', 4, 0);
INSERT INTO public.app VALUES (113, '2023-10-27 15:53:56.789+00', '2023-10-27 09:46:40.113+00', '2023-10-27 10:53:00', '2023-10-27', '10:53:00', 'INFO', 'request 113', 'web2', 14.5, 113.25, true, '00000000-0000-4000-8000-000000000113', '10.0.0.113', '[113]', '{"x": 113, "y": 0}', '{a,b5}', '{"more": {"n": 113}}', 4, 256);
INSERT INTO public.app VALUES (114, '2023-10-27 16:54:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 114', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000114', '10.0.0.114', '[114]', '{"x": 114, "y": 0}', '{a,b6}', '{"more": {"n": 114}}', 4, 634);
INSERT INTO public.app VALUES (115, '2023-10-27 17:55:56.789+00', '2023-10-27 09:46:40.115+00', '2023-10-27 10:55:00', '2023-10-27', '10:55:00', 'INFO', 'request 115', 'web1', 16.5, 115.25, true, NULL, NULL, NULL, '{"x": 115, "y": 0}', '{a,b7}', '{"more": {"n": 115}}', 4, 856);
INSERT INTO public.app VALUES (116, '2023-10-27 18:56:56.789+00', '2023-10-27 09:46:40.116+00', '2023-10-27 10:56:00', '2023-10-27', '10:56:00', 'INFO', 'request 116', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000116', '10.0.0.116', '[116]', NULL, NULL, '{}', 4, 1146);
INSERT INTO public.app VALUES (117, '2023-10-27 19:57:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 117', 'web0', 18.5, 117.25, true, '00000000-0000-4000-8000-000000000117', '10.0.0.117', '[117]', '{"x": 117, "y": 0}', '{a,b0}', '{"more": {"n": 117}}', 4, 1402);
INSERT INTO public.app VALUES (118, '2023-10-27 20:58:56.789+00', '2023-10-27 09:46:40.118+00', '2023-10-27 10:58:00', '2023-10-27', '10:58:00', 'INFO', 'request 118', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000118', '10.0.0.118', '[118]', '{"x": 118, "y": 0}', '{a,b1}', '{"more": {"n": 118}}', 4, 1693);
INSERT INTO public.app VALUES (119, '2023-10-27 21:59:56.789+00', '2023-10-27 09:46:40.119+00', '2023-10-27 10:59:00', '2023-10-27', '10:59:00', 'WARN', 'request 119', 'web2', 20.5, 119.25, true, '00000000-0000-4000-8000-000000000119', '10.0.0.119', '[119]', '{"x": 119, "y": 0}', '{a,b2}', '{"more": {"n": 119}}', 4, 2002);
INSERT INTO public.app VALUES (120, '2023-10-26 22:00:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 120', 'unknown', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, '{}', 4, 2380);
INSERT INTO public.app VALUES (121, '2023-10-26 23:01:56.789+00', '2023-10-27 09:46:40.121+00', '2023-10-27 10:01:00', '2023-10-27', '10:01:00', 'INFO', 'request 121', 'web1', 22.5, 121.25, true, '00000000-0000-4000-8000-000000000121', '10.0.0.121', '[121]', '{"x": 121, "y": 0}', '{a,b4}', '{"more": {"n": 121}}', 4, 2461);
INSERT INTO public.app VALUES (122, '2023-10-27 00:02:56.789+00', '2023-10-27 09:46:40.122+00', '2023-10-27 10:02:00', '2023-10-27', '10:02:00', 'INFO', 'request 122', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000122', '10.0.0.122', '[122]', '{"x": 122, "y": 0}', '{a,b5}', '{"more": {"n": 122}}', 4, 2839);
INSERT INTO public.app VALUES (123, '2023-10-27 01:03:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 123', 'web0', 24.5, 123.25, true, '00000000-0000-4000-8000-000000000123', '10.0.0.123', '[123]', '{"x": 123, "y": 0}', '{a,b6}', '{"more": {"n": 123}}', 4, 3148);
INSERT INTO public.app VALUES (124, '2023-10-27 02:04:56.789+00', '2023-10-27 09:46:40.124+00', '2023-10-27 10:04:00', '2023-10-27', '10:04:00', 'INFO', 'request 124', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000124', '10.0.0.124', '[124]', NULL, NULL, '{}', 4, 3439);
INSERT INTO public.app VALUES (125, '2023-10-27 03:05:56.789+00', '2023-10-27 09:46:40.125+00', '2023-10-27 10:05:00', '2023-10-27', '10:05:00', 'INFO', 'request 125', 'web2', 26.5, 125.25, true, NULL, NULL, NULL, '{"x": 125, "y": 0}', '{a,b8}', '{"more": {"n": 125}}', 4, 3695);
INSERT INTO public.app VALUES (13, '2023-10-26 22:00:00+00', NULL, NULL, NULL, NULL, 'INFO', 'the tail', 'unknown', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, '{}', 4, 3985);
INSERT INTO public.app VALUES (141, '2023-10-27 19:21:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 141', 'web0', 42.5, 141.25, true, '00000000-0000-4000-8000-000000000141', '10.0.0.141', '[141]', '{"x": 141, "y": 0}', '{a,b6}', '{"more": {"n": 141}}', 5, 0);
INSERT INTO public.app VALUES (142, '2023-10-27 20:22:56.789+00', '2023-10-27 09:46:40.142+00', '2023-10-27 10:22:00', '2023-10-27', '10:22:00', 'INFO', 'request 142', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000142', '10.0.0.142', '[142]', '{"x": 142, "y": 0}', '{a,b7}', '{"more": {"n": 142}}', 5, 291);
INSERT INTO public.app VALUES (143, '2023-10-27 21:23:56.789+00', '2023-10-27 09:46:40.143+00', '2023-10-27 10:23:00', '2023-10-27', '10:23:00', 'INFO', 'request 143', 'web2', 44.5, 143.25, true, '00000000-0000-4000-8000-000000000143', '10.0.0.143', '[143]', '{"x": 143, "y": 0}', '{a,b8}', '{"more": {"n": 143}}', 5, 600);
INSERT INTO public.app VALUES (144, '2023-10-26 22:24:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 144', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000144', '10.0.0.144', '[144]', NULL, NULL, '{}', 5, 978);
INSERT INTO public.app VALUES (145, '2023-10-26 23:25:56.789+00', '2023-10-27 09:46:40.145+00', '2023-10-27 10:25:00', '2023-10-27', '10:25:00', 'INFO', 'request 145', 'web1', 46.5, 145.25, true, NULL, NULL, NULL, '{"x": 145, "y": 0}', '{a,b1}', '{"more": {"n": 145}}', 5, 1147);
INSERT INTO public.app VALUES (146, '2023-10-27 00:26:56.789+00', '2023-10-27 09:46:40.146+00', '2023-10-27 10:26:00', '2023-10-27', '10:26:00', 'INFO', 'request 146', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000146', '10.0.0.146', '[146]', '{"x": 146, "y": 0}', '{a,b2}', '{"more": {"n": 146}}', 5, 1437);
INSERT INTO public.app VALUES (147, '2023-10-27 01:27:56.789+00', NULL, NULL, NULL, NULL, 'WARN', 'request 147', 'web0', 48.5, 147.25, true, '00000000-0000-4000-8000-000000000147', '10.0.0.147', '[147]', '{"x": 147, "y": 0}', '{a,b3}', '{"more": {"n": 147}}', 5, 1746);
INSERT INTO public.app VALUES (148, '2023-10-27 02:28:56.789+00', '2023-10-27 09:46:40.148+00', '2023-10-27 10:28:00', '2023-10-27', '10:28:00', 'INFO', 'request 148', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000148', '10.0.0.148', '[148]', NULL, NULL, '{}', 5, 2037);
INSERT INTO public.app VALUES (149, '2023-10-27 03:29:56.789+00', '2023-10-27 09:46:40.149+00', '2023-10-27 10:29:00', '2023-10-27', '10:29:00', 'INFO', 'request 149', 'web2', 50.5, 149.25, true, '00000000-0000-4000-8000-000000000149', '10.0.0.149', '[149]', '{"x": 149, "y": 0}', '{a,b5}', '{"more": {"n": 149}}', 5, 2293);
INSERT INTO public.app VALUES (150, '2023-10-27 04:30:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 150', 'unknown', NULL, NULL, false, NULL, NULL, NULL, '{"x": 150, "y": 0}', '{a,b6}', '{"more": {"n": 150}}', 5, 2671);
INSERT INTO public.app VALUES (151, '2023-10-27 05:31:56.789+00', '2023-10-27 09:46:40.151+00', '2023-10-27 10:31:00', '2023-10-27', '10:31:00', 'INFO', 'request 151', 'web1', 52.5, 151.25, true, '00000000-0000-4000-8000-000000000151', '10.0.0.151', '[151]', '{"x": 151, "y": 0}', '{a,b7}', '{"more": {"n": 151}}', 5, 2805);
INSERT INTO public.app VALUES (152, '2023-10-27 06:32:56.789+00', '2023-10-27 09:46:40.152+00', '2023-10-27 10:32:00', '2023-10-27', '10:32:00', 'INFO', 'request 152', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000152', '10.0.0.152', '[152]', NULL, NULL, '{}', 5, 3183);
INSERT INTO public.app VALUES (153, '2023-10-27 07:33:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 153', 'web0', 54.5, 153.25, true, '00000000-0000-4000-8000-000000000153', '10.0.0.153', '[153]', '{"x": 153, "y": 0}', '{a,b0}', '{"more": {"n": 153}}', 5, 3439);
INSERT INTO public.app VALUES (154, '2023-10-27 08:34:56.789+00', '2023-10-27 09:46:40.154+00', '2023-10-27 10:34:00', '2023-10-27', '10:34:00', 'WARN', 'request 154', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000154', '10.0.0.154', '[154]', '{"x": 154, "y": 0}', '{a,b1}', '{"more": {"n": 154}}', 5, 3730);
INSERT INTO public.app VALUES (155, '2023-10-27 09:35:56.789+00', '2023-10-27 09:46:40.155+00', '2023-10-27 10:35:00', '2023-10-27', '10:35:00', 'INFO', 'request 155', 'web2', 56.5, 155.25, true, NULL, NULL, NULL, '{"x": 155, "y": 0}', '{a,b2}', '{"more": {"n": 155}}', 5, 4039);
INSERT INTO public.app VALUES (156, '2023-10-27 10:36:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 156', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000156', '10.0.0.156', '[156]', NULL, NULL, '{}', 5, 4329);
INSERT INTO public.app VALUES (157, '2023-10-27 11:37:56.789+00', '2023-10-27 09:46:40.157+00', '2023-10-27 10:37:00', '2023-10-27', '10:37:00', 'INFO', 'request 157', 'web1', 58.5, 157.25, true, '00000000-0000-4000-8000-000000000157', '10.0.0.157', '[157]', '{"x": 157, "y": 0}', '{a,b4}', '{"more": {"n": 157}}', 5, 4498);
INSERT INTO public.app VALUES (158, '2023-10-27 12:38:56.789+00', '2023-10-27 09:46:40.158+00', '2023-10-27 10:38:00', '2023-10-27', '10:38:00', 'INFO', 'request 158', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000158', '10.0.0.158', '[158]', '{"x": 158, "y": 0}', '{a,b5}', '{"more": {"n": 158}}', 5, 4876);
INSERT INTO public.app VALUES (159, '2023-10-27 13:39:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 159', 'web0', 60.5, 159.25, true, '00000000-0000-4000-8000-000000000159', '10.0.0.159', '[159]', '{"x": 159, "y": 0}', '{a,b6}', '{"more": {"n": 159}}', 5, 5185);
INSERT INTO public.app VALUES (160, '2023-10-27 14:40:56.789+00', '2023-10-27 09:46:40.16+00', '2023-10-27 10:40:00', '2023-10-27', '10:40:00', 'INFO', 'request 160', 'unknown', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, '{}', 5, 5476);
INSERT INTO public.app VALUES (161, '2023-10-27 15:41:56.789+00', '2023-10-27 09:46:40.161+00', '2023-10-27 10:41:00', '2023-10-27', '10:41:00', 'WARN', 'request 161', 'web2', 62.5, 161.25, true, '00000000-0000-4000-8000-000000000161', '10.0.0.161', '[161]', '{"x": 161, "y": 0}', '{a,b8}', '{"more": {"n": 161}}', 5, 5644);
INSERT INTO public.app VALUES (162, '2023-10-27 16:42:56.789+00', NULL, NULL, NULL, NULL, 'INFO', 'request 162', 'unknown', NULL, NULL, false, '00000000-0000-4000-8000-000000000162', '10.0.0.162', '[162]', '{"x": 162, "y": 0}', '{a,b0}', '{"more": {"n": 162}}', 5, 6022);


--
-- Data for Name: days; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.days VALUES (1, '00000000000000000000000000001eef', 7, 0);
INSERT INTO public.days VALUES (2, '00000000000000000000000000003dde', 7, 50);
INSERT INTO public.days VALUES (3, '00000000000000000000000000005ccd', 7, 100);
INSERT INTO public.days VALUES (4, '00000000000000000000000000007bbc', 7, 150);
INSERT INTO public.days VALUES (5, '00000000000000000000000000009aab', 7, 200);
INSERT INTO public.days VALUES (6, '0000000000000000000000000000b99a', 7, 250);
INSERT INTO public.days VALUES (7, '0000000000000000000000000000d889', 7, 300);
INSERT INTO public.days VALUES (8, '0000000000000000000000000000f778', 7, 350);
INSERT INTO public.days VALUES (9, '00000000000000000000000000011667', 7, 400);
INSERT INTO public.days VALUES (10, '00000000000000000000000000013556', 7, 450);
INSERT INTO public.days VALUES (11, '00000000000000000000000000015445', 7, 501);
INSERT INTO public.days VALUES (12, '00000000000000000000000000017334', 7, 552);
INSERT INTO public.days VALUES (13, '00000000000000000000000000019223', 7, 603);
INSERT INTO public.days VALUES (14, '0000000000000000000000000001b112', 7, 654);
INSERT INTO public.days VALUES (15, '0000000000000000000000000001d001', 7, 705);
INSERT INTO public.days VALUES (16, '0000000000000000000000000001eef0', 7, 756);
INSERT INTO public.days VALUES (17, '00000000000000000000000000020ddf', 7, 807);
INSERT INTO public.days VALUES (18, '00000000000000000000000000022cce', 7, 858);
INSERT INTO public.days VALUES (19, '00000000000000000000000000024bbd', 7, 909);
INSERT INTO public.days VALUES (20, '00000000000000000000000000026aac', 7, 960);
INSERT INTO public.days VALUES (21, '0000000000000000000000000002899b', 7, 1011);
INSERT INTO public.days VALUES (22, '0000000000000000000000000002a88a', 7, 1062);
INSERT INTO public.days VALUES (23, '0000000000000000000000000002c779', 7, 1113);
INSERT INTO public.days VALUES (24, '0000000000000000000000000002e668', 7, 1164);
INSERT INTO public.days VALUES (25, '00000000000000000000000000030557', 7, 1215);
INSERT INTO public.days VALUES (26, '00000000000000000000000000032446', 7, 1266);
INSERT INTO public.days VALUES (27, '00000000000000000000000000034335', 7, 1317);
INSERT INTO public.days VALUES (28, '00000000000000000000000000036224', 7, 1368);
INSERT INTO public.days VALUES (29, '00000000000000000000000000038113', 7, 1419);
INSERT INTO public.days VALUES (30, '0000000000000000000000000003a002', 7, 1470);
INSERT INTO public.days VALUES (31, '0000000000000000000000000003bef1', 7, 1521);
INSERT INTO public.days VALUES (32, '0000000000000000000000000003dde0', 7, 1572);
INSERT INTO public.days VALUES (33, '0000000000000000000000000003fccf', 7, 1623);
INSERT INTO public.days VALUES (34, '00000000000000000000000000041bbe', 7, 1674);
INSERT INTO public.days VALUES (35, '00000000000000000000000000043aad', 7, 1725);
INSERT INTO public.days VALUES (36, '0000000000000000000000000004599c', 7, 1776);
INSERT INTO public.days VALUES (37, '0000000000000000000000000004788b', 7, 1827);
INSERT INTO public.days VALUES (38, '0000000000000000000000000004977a', 7, 1878);
INSERT INTO public.days VALUES (39, '0000000000000000000000000004b669', 7, 1929);
INSERT INTO public.days VALUES (40, '0000000000000000000000000004d558', 7, 1980);
INSERT INTO public.days VALUES (41, '0000000000000000000000000004f447', 7, 2031);
INSERT INTO public.days VALUES (42, '00000000000000000000000000051336', 7, 2082);
INSERT INTO public.days VALUES (43, '00000000000000000000000000053225', 7, 2133);
INSERT INTO public.days VALUES (44, '00000000000000000000000000055114', 7, 2184);
INSERT INTO public.days VALUES (45, '00000000000000000000000000057003', 7, 2235);
INSERT INTO public.days VALUES (46, '00000000000000000000000000058ef2', 7, 2286);
INSERT INTO public.days VALUES (47, '0000000000000000000000000005ade1', 7, 2337);
INSERT INTO public.days VALUES (48, '0000000000000000000000000005ccd0', 7, 2388);
INSERT INTO public.days VALUES (49, '0000000000000000000000000005ebbf', 7, 2439);
INSERT INTO public.days VALUES (50, '00000000000000000000000000060aae', 7, 2490);
INSERT INTO public.days VALUES (51, '0000000000000000000000000006299d', 7, 2541);
INSERT INTO public.days VALUES (52, '0000000000000000000000000006488c', 7, 2592);
INSERT INTO public.days VALUES (53, '0000000000000000000000000006677b', 7, 2643);
INSERT INTO public.days VALUES (54, '0000000000000000000000000006866a', 7, 2694);
INSERT INTO public.days VALUES (55, '0000000000000000000000000006a559', 7, 2745);
INSERT INTO public.days VALUES (56, '0000000000000000000000000006c448', 7, 2796);
INSERT INTO public.days VALUES (57, '0000000000000000000000000006e337', 7, 2847);
INSERT INTO public.days VALUES (58, '00000000000000000000000000070226', 7, 2898);
INSERT INTO public.days VALUES (59, '00000000000000000000000000072115', 7, 2949);
INSERT INTO public.days VALUES (60, '00000000000000000000000000074004', 7, 3000);
INSERT INTO public.days VALUES (500, '000000000000000000000000003c6acc', 8, 0);
INSERT INTO public.days VALUES (501, '000000000000000000000000003c89bb', 8, 52);
INSERT INTO public.days VALUES (502, '000000000000000000000000003ca8aa', 8, 104);
INSERT INTO public.days VALUES (503, '000000000000000000000000003cc799', 8, 156);
INSERT INTO public.days VALUES (61, '00000000000000000000000000075ef3', 9, 0);
INSERT INTO public.days VALUES (62, '00000000000000000000000000077de2', 9, 51);
INSERT INTO public.days VALUES (63, '00000000000000000000000000079cd1', 9, 102);
INSERT INTO public.days VALUES (64, '0000000000000000000000000007bbc0', 9, 153);
INSERT INTO public.days VALUES (65, '0000000000000000000000000007daaf', 9, 204);
INSERT INTO public.days VALUES (66, '0000000000000000000000000007f99e', 9, 255);
INSERT INTO public.days VALUES (67, '0000000000000000000000000008188d', 9, 306);
INSERT INTO public.days VALUES (68, '0000000000000000000000000008377c', 9, 357);
INSERT INTO public.days VALUES (69, '0000000000000000000000000008566b', 9, 408);
INSERT INTO public.days VALUES (70, '0000000000000000000000000008755a', 9, 459);
INSERT INTO public.days VALUES (71, '00000000000000000000000000089449', 9, 510);
INSERT INTO public.days VALUES (72, '0000000000000000000000000008b338', 9, 561);
INSERT INTO public.days VALUES (73, '0000000000000000000000000008d227', 9, 612);
INSERT INTO public.days VALUES (74, '0000000000000000000000000008f116', 9, 663);
INSERT INTO public.days VALUES (75, '00000000000000000000000000091005', 9, 714);
INSERT INTO public.days VALUES (76, '00000000000000000000000000092ef4', 9, 765);
INSERT INTO public.days VALUES (77, '00000000000000000000000000094de3', 9, 816);
INSERT INTO public.days VALUES (78, '00000000000000000000000000096cd2', 9, 867);
INSERT INTO public.days VALUES (79, '00000000000000000000000000098bc1', 9, 918);
INSERT INTO public.days VALUES (80, '0000000000000000000000000009aab0', 9, 969);
INSERT INTO public.days VALUES (81, '0000000000000000000000000009c99f', 9, 1020);
INSERT INTO public.days VALUES (82, '0000000000000000000000000009e88e', 9, 1071);
INSERT INTO public.days VALUES (83, '000000000000000000000000000a077d', 9, 1122);
INSERT INTO public.days VALUES (84, '000000000000000000000000000a266c', 9, 1173);
INSERT INTO public.days VALUES (85, '000000000000000000000000000a455b', 9, 1224);
INSERT INTO public.days VALUES (86, '000000000000000000000000000a644a', 9, 1275);
INSERT INTO public.days VALUES (87, '000000000000000000000000000a8339', 9, 1326);
INSERT INTO public.days VALUES (88, '000000000000000000000000000aa228', 9, 1377);
INSERT INTO public.days VALUES (89, '000000000000000000000000000ac117', 9, 1428);
INSERT INTO public.days VALUES (90, '000000000000000000000000000ae006', 9, 1479);
INSERT INTO public.days VALUES (91, '000000000000000000000000000afef5', 9, 1530);
INSERT INTO public.days VALUES (92, '000000000000000000000000000b1de4', 9, 1581);
INSERT INTO public.days VALUES (93, '000000000000000000000000000b3cd3', 9, 1632);
INSERT INTO public.days VALUES (94, '000000000000000000000000000b5bc2', 9, 1683);
INSERT INTO public.days VALUES (95, '000000000000000000000000000b7ab1', 9, 1734);
INSERT INTO public.days VALUES (96, '000000000000000000000000000b99a0', 9, 1785);
INSERT INTO public.days VALUES (97, '000000000000000000000000000bb88f', 9, 1836);
INSERT INTO public.days VALUES (98, '000000000000000000000000000bd77e', 9, 1887);
INSERT INTO public.days VALUES (99, '000000000000000000000000000bf66d', 9, 1938);
INSERT INTO public.days VALUES (100, '000000000000000000000000000c155c', 9, 1989);
INSERT INTO public.days VALUES (101, '000000000000000000000000000c344b', 9, 2041);
INSERT INTO public.days VALUES (102, '000000000000000000000000000c533a', 9, 2093);


--
-- Data for Name: events; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.events VALUES (1, 'open', '2023-10-27 00:00:01+00', NULL, 'a3b42232-50bc-0f0a-6d34-17bcdee576a4');
INSERT INTO public.events VALUES (2, 'close', '2023-10-27 00:00:02+00', NULL, 'cbbf94bd-ae37-5421-2948-552a1eb63061');
INSERT INTO public.events VALUES (3, 'open', '2023-10-27 00:00:03+00', NULL, '7e79f740-5ffa-428b-2ea0-8d4bee284f7a');
INSERT INTO public.events VALUES (4, 'close', '2023-10-27 00:00:04+00', NULL, 'c1009f3b-d04d-7c49-4af2-a95f79d37e6d');
INSERT INTO public.events VALUES (5, 'open', '2023-10-27 00:00:05+00', NULL, '023463f0-c0eb-52d3-0284-e80e9278da16');
INSERT INTO public.events VALUES (6, 'close', '2023-10-27 00:00:06+00', NULL, '06de0a2f-be77-b4db-9c4f-4932ae66092f');
INSERT INTO public.events VALUES (7, 'open', '2023-10-27 00:00:07+00', NULL, '3a0034f1-cfd6-fa06-dd4f-8987b7f77b4b');
INSERT INTO public.events VALUES (8, 'close', '2023-10-27 00:00:08+00', NULL, 'a22c323d-5191-f6bb-1668-479a68e90e15');
INSERT INTO public.events VALUES (9, 'open', '2023-10-27 00:00:09+00', NULL, 'd5424175-a7ea-cf2c-a3b4-20d1dc50eb8b');
INSERT INTO public.events VALUES (10, 'close', '2023-10-27 00:00:10+00', NULL, '3a096191-6a9b-aa2a-4003-c7cf53efcbc7');
INSERT INTO public.events VALUES (11, 'open', '2023-10-27 00:00:11+00', NULL, 'bc970aec-9d82-fb7a-e7be-3642158d25be');
INSERT INTO public.events VALUES (12, 'close', '2023-10-27 00:00:12+00', NULL, 'acbd1690-3bc8-0b94-b50b-240044dc3819');
INSERT INTO public.events VALUES (13, 'open', '2023-10-27 00:00:13+00', NULL, 'c978ee4f-1d84-78db-a18e-c913dd3eb197');
INSERT INTO public.events VALUES (14, 'close', '2023-10-27 00:00:14+00', NULL, '122a59cd-dfb3-f445-732d-d30519ba0a16');
INSERT INTO public.events VALUES (15, 'open', '2023-10-27 00:00:15+00', NULL, '9a4784b4-510f-6652-ce0c-ff22da5636e9');
INSERT INTO public.events VALUES (16, 'close', '2023-10-27 00:00:16+00', NULL, 'ebb66f00-9d91-bec9-039b-35f9f5f695e0');
INSERT INTO public.events VALUES (17, 'open', '2023-10-27 00:00:17+00', NULL, 'd934fb36-f0bb-15eb-eac6-b07927189e49');
INSERT INTO public.events VALUES (18, 'close', '2023-10-27 00:00:18+00', NULL, 'c943a5ae-d435-5636-d86d-4639110efd4d');
INSERT INTO public.events VALUES (19, 'open', '2023-10-27 00:00:19+00', NULL, '60b2e3d0-cb83-1770-b39d-b8a4f0f38028');
INSERT INTO public.events VALUES (20, 'close', '2023-10-27 00:00:20+00', NULL, 'bfcc8f51-728f-6187-5fb5-0a664dfcacac');
INSERT INTO public.events VALUES (21, 'open', '2023-10-27 00:00:21+00', NULL, 'b7816fca-e3de-3f58-4aeb-471a87630fa9');
INSERT INTO public.events VALUES (22, 'close', '2023-10-27 00:00:22+00', NULL, '80d362f4-601e-4ca5-8c96-e89d961baf37');
INSERT INTO public.events VALUES (23, 'open', '2023-10-27 00:00:23+00', NULL, '1dda4d52-76e5-1321-0add-4c8869a1b9c7');
INSERT INTO public.events VALUES (24, 'close', '2023-10-27 00:00:24+00', NULL, '0799d49e-3a61-a36c-927b-e9fead22f871');
INSERT INTO public.events VALUES (25, 'open', '2023-10-27 00:00:25+00', NULL, '2bcf74df-0ee1-3284-1725-347948c7727d');
INSERT INTO public.events VALUES (26, 'close', '2023-10-27 00:00:26+00', NULL, '085e1ddb-79bb-0d7e-0a71-5d72b87e66ff');
INSERT INTO public.events VALUES (27, 'open', '2023-10-27 00:00:27+00', NULL, 'f433ff51-0edf-000c-68f0-c8ceae46c11f');
INSERT INTO public.events VALUES (28, 'close', '2023-10-27 00:00:28+00', NULL, 'dabf2cb5-7718-1b49-974b-58488fc99d16');
INSERT INTO public.events VALUES (29, 'open', '2023-10-27 00:00:29+00', NULL, 'abaa45e9-6d81-d2f3-b67d-ae6340701615');
INSERT INTO public.events VALUES (30, 'close', '2023-10-27 00:00:30+00', NULL, 'f63d1bc0-e85f-b31a-db56-a2630cc9c693');
INSERT INTO public.events VALUES (31, 'open', '2023-10-27 00:00:31+00', NULL, '01e0e07e-21f4-28c1-2ea1-b8c1ee850e07');
INSERT INTO public.events VALUES (32, 'close', '2023-10-27 00:00:32+00', NULL, 'eccabbb0-85a4-16d7-09d7-3c244310fcd6');
INSERT INTO public.events VALUES (33, 'open', '2023-10-27 00:00:33+00', NULL, '39ab804e-2c1f-29ed-8dfb-b0cfa506c953');
INSERT INTO public.events VALUES (34, 'close', '2023-10-27 00:00:34+00', NULL, '28d8316d-b9e9-6aad-6030-83d8965fb41d');
INSERT INTO public.events VALUES (35, 'open', '2023-10-27 00:00:35+00', NULL, '638aceff-02f2-de48-8567-894c61df51c0');
INSERT INTO public.events VALUES (36, 'close', '2023-10-27 00:00:36+00', NULL, '9efd550a-de30-b6ce-1232-54afdd5db72b');
INSERT INTO public.events VALUES (37, 'open', '2023-10-27 00:00:37+00', NULL, '0dd07f91-464b-5056-2529-6a8127355252');
INSERT INTO public.events VALUES (38, 'close', '2023-10-27 00:00:38+00', NULL, 'b48f27c7-b488-15ed-cd00-91dd8509da9a');
INSERT INTO public.events VALUES (39, 'open', '2023-10-27 00:00:39+00', NULL, '9b4509cc-3727-5cf3-d0d4-93c68f149b43');
INSERT INTO public.events VALUES (40, 'close', '2023-10-27 00:00:40+00', NULL, 'ebbf6680-3003-252e-2a67-733e1552206d');
INSERT INTO public.events VALUES (41, 'open', '2023-10-27 00:00:41+00', NULL, 'b79c34b7-aa16-9d85-e53e-b7a1117b9551');
INSERT INTO public.events VALUES (42, 'close', '2023-10-27 00:00:42+00', NULL, '0782c107-9174-3950-01ce-493433a0700c');
INSERT INTO public.events VALUES (43, 'open', '2023-10-27 00:00:43+00', NULL, 'e8350a31-c975-ac7d-843a-93795befcd10');
INSERT INTO public.events VALUES (44, 'close', '2023-10-27 00:00:44+00', NULL, '4befe8a2-f9b5-dc76-15e2-a20fd941a6cc');
INSERT INTO public.events VALUES (45, 'open', '2023-10-27 00:00:45+00', NULL, 'dd2b3272-632a-2aa5-2381-0048c056fa5c');
INSERT INTO public.events VALUES (46, 'close', '2023-10-27 00:00:46+00', NULL, '5f028d77-a937-57f7-4806-dd50356e275a');
INSERT INTO public.events VALUES (47, 'open', '2023-10-27 00:00:47+00', NULL, 'e71acd8c-07ef-9712-fdbe-71f72fdf35fd');
INSERT INTO public.events VALUES (48, 'close', '2023-10-27 00:00:48+00', NULL, 'bec45652-a375-6f7b-0d8b-da4174fdd058');
INSERT INTO public.events VALUES (49, 'open', '2023-10-27 00:00:49+00', NULL, 'f50d1736-8f63-4793-4a54-b1224341dd60');
INSERT INTO public.events VALUES (50, 'close', '2023-10-27 00:00:50+00', NULL, 'ec4f6a7d-0fc1-9113-5f04-6de9a3ce5ea9');
INSERT INTO public.events VALUES (51, 'open', '2023-10-27 00:00:51+00', NULL, '46ecf044-2742-3e16-f2ce-0940b15cea6a');
INSERT INTO public.events VALUES (52, 'close', '2023-10-27 00:00:52+00', NULL, '15f13cce-c5ee-9b81-d2fb-e28f71d1aab9');
INSERT INTO public.events VALUES (53, 'open', '2023-10-27 00:00:53+00', NULL, 'fc541ec0-a1db-b1ea-da23-20341e4e2814');
INSERT INTO public.events VALUES (54, 'close', '2023-10-27 00:00:54+00', NULL, '1e40ec13-22d9-ff5f-6f79-1add853d597b');
INSERT INTO public.events VALUES (55, 'open', '2023-10-27 00:00:55+00', NULL, 'db1ea189-31dd-7f35-b830-b4f55a575c6f');
INSERT INTO public.events VALUES (56, 'close', '2023-10-27 00:00:56+00', NULL, 'b463479a-a2cf-77f1-66bc-e412a0264d07');
INSERT INTO public.events VALUES (57, 'open', '2023-10-27 00:00:57+00', NULL, 'aa60e4c8-ca63-66f3-d08d-89aaeb61d81e');
INSERT INTO public.events VALUES (58, 'close', '2023-10-27 00:00:58+00', NULL, '90f93d20-ad76-5088-132e-23b344a1eec2');
INSERT INTO public.events VALUES (59, 'open', '2023-10-27 00:00:59+00', NULL, 'ea2a0184-704d-44f3-f502-520391b6590d');
INSERT INTO public.events VALUES (60, 'close', '2023-10-27 00:00:00+00', NULL, '6fd84984-a30d-5b81-201f-d69aa9e601c9');


--
-- Data for Name: plain; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.plain VALUES (1000, '0000000000000000000000000078d598', '{}', 13, 0);
INSERT INTO public.plain VALUES (1001, '0000000000000000000000000078f487', '{}', 13, 53);
INSERT INTO public.plain VALUES (1002, '00000000000000000000000000791376', '{}', 13, 106);
INSERT INTO public.plain VALUES (1003, '00000000000000000000000000793265', '{}', 13, 159);
INSERT INTO public.plain VALUES (1004, '00000000000000000000000000795154', '{}', 13, 212);
INSERT INTO public.plain VALUES (1005, '00000000000000000000000000797043', '{}', 13, 265);
INSERT INTO public.plain VALUES (1006, '00000000000000000000000000798f32', '{}', 13, 318);
INSERT INTO public.plain VALUES (1007, '0000000000000000000000000079ae21', '{}', 13, 371);
INSERT INTO public.plain VALUES (1008, '0000000000000000000000000079cd10', '{}', 13, 424);
INSERT INTO public.plain VALUES (1009, '0000000000000000000000000079ebff', '{}', 13, 477);
INSERT INTO public.plain VALUES (1010, '000000000000000000000000007a0aee', '{}', 13, 530);
INSERT INTO public.plain VALUES (1011, '000000000000000000000000007a29dd', '{}', 13, 583);
INSERT INTO public.plain VALUES (1012, '000000000000000000000000007a48cc', '{}', 13, 636);
INSERT INTO public.plain VALUES (1013, '000000000000000000000000007a67bb', '{}', 13, 689);
INSERT INTO public.plain VALUES (1014, '000000000000000000000000007a86aa', '{}', 13, 742);
INSERT INTO public.plain VALUES (1015, '000000000000000000000000007aa599', '{}', 13, 795);
INSERT INTO public.plain VALUES (1016, '000000000000000000000000007ac488', '{}', 13, 848);
INSERT INTO public.plain VALUES (1017, '000000000000000000000000007ae377', '{}', 13, 901);
INSERT INTO public.plain VALUES (1018, '000000000000000000000000007b0266', '{}', 13, 954);
INSERT INTO public.plain VALUES (1019, '000000000000000000000000007b2155', '{}', 13, 1007);
INSERT INTO public.plain VALUES (1020, '000000000000000000000000007b4044', '{}', 13, 1060);
INSERT INTO public.plain VALUES (1021, '000000000000000000000000007b5f33', '{}', 13, 1113);
INSERT INTO public.plain VALUES (1022, '000000000000000000000000007b7e22', '{}', 13, 1166);
INSERT INTO public.plain VALUES (1023, '000000000000000000000000007b9d11', '{}', 13, 1219);
INSERT INTO public.plain VALUES (1024, '000000000000000000000000007bbc00', '{}', 13, 1272);
INSERT INTO public.plain VALUES (1025, '000000000000000000000000007bdaef', '{}', 13, 1325);
INSERT INTO public.plain VALUES (1026, '000000000000000000000000007bf9de', '{}', 13, 1378);
INSERT INTO public.plain VALUES (1027, '000000000000000000000000007c18cd', '{}', 13, 1431);
INSERT INTO public.plain VALUES (1028, '000000000000000000000000007c37bc', '{}', 13, 1484);
INSERT INTO public.plain VALUES (1029, '000000000000000000000000007c56ab', '{}', 13, 1537);
INSERT INTO public.plain VALUES (1030, '000000000000000000000000007c759a', '{}', 13, 1590);
INSERT INTO public.plain VALUES (1031, '000000000000000000000000007c9489', '{}', 13, 1643);
INSERT INTO public.plain VALUES (1032, '000000000000000000000000007cb378', '{}', 13, 1696);
INSERT INTO public.plain VALUES (1033, '000000000000000000000000007cd267', '{}', 13, 1749);
INSERT INTO public.plain VALUES (1034, '000000000000000000000000007cf156', '{}', 13, 1802);
INSERT INTO public.plain VALUES (1035, '000000000000000000000000007d1045', '{}', 13, 1855);
INSERT INTO public.plain VALUES (1036, '000000000000000000000000007d2f34', '{}', 13, 1908);
INSERT INTO public.plain VALUES (1037, '000000000000000000000000007d4e23', '{}', 13, 1961);
INSERT INTO public.plain VALUES (1038, '000000000000000000000000007d6d12', '{}', 13, 2014);
INSERT INTO public.plain VALUES (1039, '000000000000000000000000007d8c01', '{}', 13, 2067);
INSERT INTO public.plain VALUES (1040, '000000000000000000000000007daaf0', '{}', 13, 2120);
INSERT INTO public.plain VALUES (1041, '000000000000000000000000007dc9df', '{}', 13, 2173);
INSERT INTO public.plain VALUES (1042, '000000000000000000000000007de8ce', '{}', 13, 2226);
INSERT INTO public.plain VALUES (1043, '000000000000000000000000007e07bd', '{}', 13, 2279);
INSERT INTO public.plain VALUES (1044, '000000000000000000000000007e26ac', '{}', 13, 2332);
INSERT INTO public.plain VALUES (1045, '000000000000000000000000007e459b', '{}', 13, 2385);
INSERT INTO public.plain VALUES (1046, '000000000000000000000000007e648a', '{}', 13, 2438);
INSERT INTO public.plain VALUES (1047, '000000000000000000000000007e8379', '{}', 13, 2491);
INSERT INTO public.plain VALUES (1048, '000000000000000000000000007ea268', '{}', 13, 2544);
INSERT INTO public.plain VALUES (1049, '000000000000000000000000007ec157', '{}', 13, 2597);
INSERT INTO public.plain VALUES (1050, '000000000000000000000000007ee046', '{}', 13, 2650);
INSERT INTO public.plain VALUES (1051, '000000000000000000000000007eff35', '{}', 13, 2703);
INSERT INTO public.plain VALUES (1052, '000000000000000000000000007f1e24', '{}', 13, 2756);
INSERT INTO public.plain VALUES (1053, '000000000000000000000000007f3d13', '{}', 13, 2809);
INSERT INTO public.plain VALUES (1054, '000000000000000000000000007f5c02', '{}', 13, 2862);
INSERT INTO public.plain VALUES (1055, '000000000000000000000000007f7af1', '{}', 13, 2915);
INSERT INTO public.plain VALUES (1056, '000000000000000000000000007f99e0', '{}', 13, 2968);
INSERT INTO public.plain VALUES (1057, '000000000000000000000000007fb8cf', '{}', 13, 3021);
INSERT INTO public.plain VALUES (1058, '000000000000000000000000007fd7be', '{}', 13, 3074);
INSERT INTO public.plain VALUES (1059, '000000000000000000000000007ff6ad', '{}', 13, 3127);


--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.users VALUES ('t1', 1, 7, 'user 1');
INSERT INTO public.users VALUES ('t2', 2, 14, 'user 2');
INSERT INTO public.users VALUES ('t0', 3, 21, 'user 3');
INSERT INTO public.users VALUES ('t1', 4, 28, 'user 4');
INSERT INTO public.users VALUES ('t2', 5, 35, 'user 5');
INSERT INTO public.users VALUES ('t0', 6, 42, 'user 6');
INSERT INTO public.users VALUES ('t1', 7, 49, 'user 7');
INSERT INTO public.users VALUES ('t2', 8, 6, 'user 8');
INSERT INTO public.users VALUES ('t0', 9, 13, 'user 9');
INSERT INTO public.users VALUES ('t1', 10, 20, 'user 10');
INSERT INTO public.users VALUES ('t2', 11, 27, 'user 11');
INSERT INTO public.users VALUES ('t0', 12, 34, 'user 12');
INSERT INTO public.users VALUES ('t1', 13, 41, 'user 13');
INSERT INTO public.users VALUES ('t2', 14, 48, 'user 14');
INSERT INTO public.users VALUES ('t0', 15, 5, 'user 15');
INSERT INTO public.users VALUES ('t1', 16, 12, 'user 16');
INSERT INTO public.users VALUES ('t2', 17, 19, 'user 17');
INSERT INTO public.users VALUES ('t0', 18, 26, 'user 18');
INSERT INTO public.users VALUES ('t1', 19, 33, 'user 19');
INSERT INTO public.users VALUES ('t2', 20, 40, 'user 20');
INSERT INTO public.users VALUES ('t0', 21, 47, 'user 21');
INSERT INTO public.users VALUES ('t1', 22, 4, 'user 22');
INSERT INTO public.users VALUES ('t2', 23, 11, 'user 23');
INSERT INTO public.users VALUES ('t0', 24, 18, 'user 24');
INSERT INTO public.users VALUES ('t1', 25, 25, 'user 25');
INSERT INTO public.users VALUES ('t2', 26, 32, 'user 26');
INSERT INTO public.users VALUES ('t0', 27, 39, 'user 27');
INSERT INTO public.users VALUES ('t1', 28, 46, 'user 28');
INSERT INTO public.users VALUES ('t2', 29, 3, 'user 29');
INSERT INTO public.users VALUES ('t0', 30, 10, 'user 30');
INSERT INTO public.users VALUES ('t1', 31, 17, 'user 31');
INSERT INTO public.users VALUES ('t2', 32, 24, 'user 32');
INSERT INTO public.users VALUES ('t0', 33, 31, 'user 33');
INSERT INTO public.users VALUES ('t1', 34, 38, 'user 34');
INSERT INTO public.users VALUES ('t2', 35, 45, 'user 35');
INSERT INTO public.users VALUES ('t0', 36, 2, 'user 36');
INSERT INTO public.users VALUES ('t1', 37, 9, 'user 37');
INSERT INTO public.users VALUES ('t2', 38, 16, 'user 38');
INSERT INTO public.users VALUES ('t0', 39, 23, 'user 39');
INSERT INTO public.users VALUES ('t1', 0, 30, 'user 40');
INSERT INTO public.users VALUES ('t2', 1, 37, 'user 41');
INSERT INTO public.users VALUES ('t0', 2, 44, 'user 42');
INSERT INTO public.users VALUES ('t1', 3, 1, 'user 43');
INSERT INTO public.users VALUES ('t2', 4, 8, 'user 44');
INSERT INTO public.users VALUES ('t0', 5, 15, 'user 45');
INSERT INTO public.users VALUES ('t1', 6, 22, 'user 46');
INSERT INTO public.users VALUES ('t2', 7, 29, 'user 47');
INSERT INTO public.users VALUES ('t0', 8, 36, 'user 48');
INSERT INTO public.users VALUES ('t1', 9, 43, 'user 49');
INSERT INTO public.users VALUES ('t2', 10, 0, 'user 50');
INSERT INTO public.users VALUES ('t0', 11, 7, 'user 51');
INSERT INTO public.users VALUES ('t1', 12, 14, 'user 52');
INSERT INTO public.users VALUES ('t2', 13, 21, 'user 53');
INSERT INTO public.users VALUES ('t0', 14, 28, 'user 54');
INSERT INTO public.users VALUES ('t1', 15, 35, 'user 55');
INSERT INTO public.users VALUES ('t2', 16, 42, 'user 56');
INSERT INTO public.users VALUES ('t0', 17, 49, 'user 57');
INSERT INTO public.users VALUES ('t1', 18, 6, 'user 58');
INSERT INTO public.users VALUES ('t2', 19, 13, 'user 59');
INSERT INTO public.users VALUES ('t0', 20, 20, 'user 60');
INSERT INTO public.users VALUES ('t1', 21, 27, 'user 61');
INSERT INTO public.users VALUES ('t2', 22, 34, 'user 62');
INSERT INTO public.users VALUES ('t0', 23, 41, 'user 63');
INSERT INTO public.users VALUES ('t1', 24, 48, 'user 64');
INSERT INTO public.users VALUES ('t2', 25, 5, 'user 65');
INSERT INTO public.users VALUES ('t0', 26, 12, 'user 66');
INSERT INTO public.users VALUES ('t1', 27, 19, 'user 67');
INSERT INTO public.users VALUES ('t2', 28, 26, 'user 68');
INSERT INTO public.users VALUES ('t0', 29, 33, 'user 69');
INSERT INTO public.users VALUES ('t1', 30, 40, 'user 70');
INSERT INTO public.users VALUES ('t2', 31, 47, 'user 71');
INSERT INTO public.users VALUES ('t0', 32, 4, 'user 72');
INSERT INTO public.users VALUES ('t1', 33, 11, 'user 73');
INSERT INTO public.users VALUES ('t2', 34, 18, 'user 74');
INSERT INTO public.users VALUES ('t0', 35, 25, 'user 75');
INSERT INTO public.users VALUES ('t1', 36, 32, 'user 76');
INSERT INTO public.users VALUES ('t2', 37, 39, 'user 77');
INSERT INTO public.users VALUES ('t0', 38, 46, 'user 78');
INSERT INTO public.users VALUES ('t1', 39, 3, 'user 79');
INSERT INTO public.users VALUES ('t2', 0, 10, 'user 80');
INSERT INTO public.users VALUES ('t0', 1, 17, 'user 81');
INSERT INTO public.users VALUES ('t1', 2, 24, 'user 82');
INSERT INTO public.users VALUES ('t2', 3, 31, 'user 83');
INSERT INTO public.users VALUES ('t0', 4, 38, 'user 84');
INSERT INTO public.users VALUES ('t1', 5, 45, 'user 85');
INSERT INTO public.users VALUES ('t2', 6, 2, 'user 86');
INSERT INTO public.users VALUES ('t0', 7, 9, 'user 87');
INSERT INTO public.users VALUES ('t1', 8, 16, 'user 88');
INSERT INTO public.users VALUES ('t2', 9, 23, 'user 89');
INSERT INTO public.users VALUES ('t0', 10, 30, 'user 90');
INSERT INTO public.users VALUES ('t1', 11, 37, 'user 91');
INSERT INTO public.users VALUES ('t2', 12, 44, 'user 92');
INSERT INTO public.users VALUES ('t0', 13, 1, 'user 93');
INSERT INTO public.users VALUES ('t1', 14, 8, 'user 94');
INSERT INTO public.users VALUES ('t2', 15, 15, 'user 95');
INSERT INTO public.users VALUES ('t0', 16, 22, 'user 96');


--
-- Name: dead_letters_id_seq; Type: SEQUENCE SET; Schema: logmill; Owner: -
--

SELECT pg_catalog.setval('logmill.dead_letters_id_seq', 5, true);


--
-- Name: runs_id_seq; Type: SEQUENCE SET; Schema: logmill; Owner: -
--

SELECT pg_catalog.setval('logmill.runs_id_seq', 7, true);


--
-- Name: checkpoints checkpoints_pkey; Type: CONSTRAINT; Schema: logmill; Owner: -
--

ALTER TABLE ONLY logmill.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (source_id, split_start);


--
-- Name: containers containers_pkey; Type: CONSTRAINT; Schema: logmill; Owner: -
--

ALTER TABLE ONLY logmill.containers
    ADD CONSTRAINT containers_pkey PRIMARY KEY (source_id, raw_size, raw_head_hash, raw_tail_hash);


--
-- Name: dates dates_pkey; Type: CONSTRAINT; Schema: logmill; Owner: -
--

ALTER TABLE ONLY logmill.dates
    ADD CONSTRAINT dates_pkey PRIMARY KEY (job, target, date);


--
-- Name: dead_letters dead_letters_pkey; Type: CONSTRAINT; Schema: logmill; Owner: -
--

ALTER TABLE ONLY logmill.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (id);


--
-- Name: dirty_dates dirty_dates_pkey; Type: CONSTRAINT; Schema: logmill; Owner: -
--

ALTER TABLE ONLY logmill.dirty_dates
    ADD CONSTRAINT dirty_dates_pkey PRIMARY KEY (target, job, date);


--
-- Name: meta meta_pkey; Type: CONSTRAINT; Schema: logmill; Owner: -
--

ALTER TABLE ONLY logmill.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (only_row);


--
-- Name: metrics metrics_pkey; Type: CONSTRAINT; Schema: logmill; Owner: -
--

ALTER TABLE ONLY logmill.metrics
    ADD CONSTRAINT metrics_pkey PRIMARY KEY (rollup_table, metric);


--
-- Name: rollups rollups_pkey; Type: CONSTRAINT; Schema: logmill; Owner: -
--

ALTER TABLE ONLY logmill.rollups
    ADD CONSTRAINT rollups_pkey PRIMARY KEY (target);


--
-- Name: runs runs_pkey; Type: CONSTRAINT; Schema: logmill; Owner: -
--

ALTER TABLE ONLY logmill.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);


--
-- Name: sources sources_pkey; Type: CONSTRAINT; Schema: logmill; Owner: -
--

ALTER TABLE ONLY logmill.sources
    ADD CONSTRAINT sources_pkey PRIMARY KEY (id);


--
-- Name: app app_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.app
    ADD CONSTRAINT app_pkey PRIMARY KEY (source_id, source_offset);


--
-- Name: days days_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.days
    ADD CONSTRAINT days_pkey PRIMARY KEY (source_id, source_offset);


--
-- Name: events events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (record_hash);


--
-- Name: plain plain_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.plain
    ADD CONSTRAINT plain_pkey PRIMARY KEY (source_id, source_offset);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (tenant, id);


--
-- Name: dead_letters_job; Type: INDEX; Schema: logmill; Owner: -
--

CREATE INDEX dead_letters_job ON logmill.dead_letters USING btree (job, state);


--
-- Name: dead_letters_place; Type: INDEX; Schema: logmill; Owner: -
--

CREATE UNIQUE INDEX dead_letters_place ON logmill.dead_letters USING btree (source_id, source_offset) WHERE (state <> 'superseded'::text);


--
-- Name: metrics_target; Type: INDEX; Schema: logmill; Owner: -
--

CREATE INDEX metrics_target ON logmill.metrics USING btree (target, job);


--
-- Name: sources_job; Type: INDEX; Schema: logmill; Owner: -
--

CREATE INDEX sources_job ON logmill.sources USING btree (job, data_date);


--
-- PostgreSQL database dump complete
--


