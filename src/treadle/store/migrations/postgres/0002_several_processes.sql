-- works from: 1

-- Who wants the events of a run that another process executes: "<process>/<session>".
ALTER TABLE runs ADD COLUMN reader TEXT;

-- The process that executed the run last: it has the run's last events for a while.
ALTER TABLE runs ADD COLUMN executor TEXT COLLATE "C";

-- The database's own clock, in Unix seconds: leases are compared with nothing else, for the clocks of machines differ.
CREATE FUNCTION treadle_now() RETURNS DOUBLE PRECISION LANGUAGE sql VOLATILE
    AS 'SELECT extract(epoch FROM clock_timestamp())::double precision';
