-- Triggers that record every move of a checkpoint and, on request, every applied row. An event
-- trigger creates them together with the tables.
CREATE SCHEMA audit;
CREATE TABLE audit.wanted (rows boolean);
INSERT INTO audit.wanted VALUES (false);
CREATE TABLE audit.applied (source_id integer, source_offset bigint, xid bigint, what text);
CREATE TABLE audit.moves (number bigserial, source_id integer, before bigint, after bigint, epoch bigint, xid bigint);

CREATE FUNCTION audit.note_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit.applied VALUES (NEW.source_id, NEW.source_offset, txid_current(), TG_OP);
    RETURN NULL;
END $$;

CREATE FUNCTION audit.note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit.moves (source_id, before, after, epoch, xid)
        VALUES (NEW.source_id, OLD.position, NEW.position, NEW.epoch, txid_current());
    RETURN NULL;
END $$;

CREATE FUNCTION audit.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF to_regclass('logmill.checkpoints') IS NOT NULL
        AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('logmill.checkpoints') AND tgname = 'audit')
    THEN
        EXECUTE 'CREATE TRIGGER audit AFTER UPDATE ON logmill.checkpoints FOR EACH ROW
                 WHEN (OLD.position <> NEW.position) EXECUTE FUNCTION audit.note_move()';
    END IF;
    IF (SELECT rows FROM audit.wanted) AND to_regclass('public.t') IS NOT NULL
        AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('public.t') AND tgname = 'audit')
    THEN
        EXECUTE 'CREATE TRIGGER audit AFTER INSERT OR UPDATE ON public.t FOR EACH ROW
                 EXECUTE FUNCTION audit.note_row()';
    END IF;
END $$;
CREATE EVENT TRIGGER audit ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION audit.watch();
