-- The same as audit.sql for SQLite, which has no event triggers: the program finds its tables
-- and these triggers already created.
CREATE TABLE audit_applied (source_id integer, source_offset bigint);
CREATE TABLE audit_moves (number INTEGER PRIMARY KEY, source_id integer, before bigint, after bigint);
CREATE TRIGGER audit_insert AFTER INSERT ON t BEGIN
    INSERT INTO audit_applied VALUES (NEW.source_id, NEW.source_offset);
END;
CREATE TRIGGER audit_update AFTER UPDATE ON t BEGIN
    INSERT INTO audit_applied VALUES (NEW.source_id, NEW.source_offset);
END;
CREATE TRIGGER audit_move AFTER UPDATE ON logmill_checkpoints WHEN OLD.position <> NEW.position BEGIN
    INSERT INTO audit_moves (source_id, before, after) VALUES (NEW.source_id, OLD.position, NEW.position);
END;
