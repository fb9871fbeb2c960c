-- Who wants the events of a run that another process executes: "<process>/<session>". Only where processes share the
-- database; the column is here so that both dialects have the same tables.
ALTER TABLE runs ADD COLUMN reader TEXT;
-- The process that executed the run last: it has the run's last events for a while.
ALTER TABLE runs ADD COLUMN executor TEXT;
