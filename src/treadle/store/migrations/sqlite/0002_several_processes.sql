-- Who wants the events of a run that another process executes: "<process>/<session>". Only where processes share the
-- database; the column is here so that both dialects have the same tables.
ALTER TABLE runs ADD COLUMN reader TEXT;
