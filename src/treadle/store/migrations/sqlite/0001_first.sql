-- Every resource is its JSON document as it goes on the wire, beside the columns that find and order it.
-- `seq` is the order of insertion; it breaks the ties of `created_at`, which is in whole seconds (P-3).
-- Thread-scoped tables are keyed by thread_id first, so that they can later be partitioned by it.

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE keys (
    hash BLOB PRIMARY KEY,                -- SHA-256 of the key
    project_id TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    masked TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) WITHOUT ROWID;

CREATE TABLE assistants (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    doc BLOB NOT NULL
);
CREATE INDEX assistants_in_order ON assistants (project_id, created_at, seq);

CREATE TABLE threads (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    doc BLOB NOT NULL
);
CREATE INDEX threads_in_order ON threads (project_id, created_at, seq);

CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id TEXT NOT NULL,
    id TEXT NOT NULL,
    run_id TEXT,                          -- the run that wrote it; null for messages a client added (M-16)
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    version INTEGER NOT NULL,
    doc BLOB NOT NULL
);
CREATE UNIQUE INDEX messages_by_id ON messages (thread_id, id);
CREATE INDEX messages_in_order ON messages (thread_id, created_at, seq);
CREATE INDEX messages_of_run ON messages (thread_id, run_id, created_at, seq) WHERE run_id IS NOT NULL;

CREATE TABLE runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id TEXT NOT NULL,
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    version INTEGER NOT NULL,             -- every write of the document counts it up
    fence INTEGER NOT NULL,               -- every claim counts it up; a worker's writes name theirs
    lease_owner TEXT,                     -- the worker that holds the run; null when nobody does
    takeovers INTEGER NOT NULL,           -- claims of the present turn after the first (R-9)
    turn INTEGER NOT NULL,                -- the turn being taken, from 0
    due_at INTEGER,                       -- when the run expires; null once it is over
    needs TEXT NOT NULL,                  -- what its tools require of a worker, comma separated
    include TEXT NOT NULL,                -- createRun's include[] (S-13), comma separated
    doc BLOB NOT NULL
);
CREATE UNIQUE INDEX runs_by_id ON runs (thread_id, id);
CREATE INDEX runs_in_order ON runs (thread_id, created_at, seq);
-- The second net below the check in createRun: one active run per thread (R-8).
CREATE UNIQUE INDEX runs_active ON runs (thread_id)
    WHERE status IN ('queued', 'in_progress', 'requires_action', 'cancelling');
CREATE INDEX runs_due ON runs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX runs_to_work_on ON runs (seq) WHERE status IN ('queued', 'in_progress', 'cancelling');

CREATE TABLE run_steps (
    thread_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    seq INTEGER NOT NULL,                 -- counts from 1 within the run
    id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (thread_id, run_id, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX run_steps_by_id ON run_steps (thread_id, run_id, id);

CREATE TABLE turns (
    thread_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (thread_id, run_id, turn)
) WITHOUT ROWID;

CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    lease_until REAL NOT NULL
) WITHOUT ROWID;

-- Where a deleted object stood in its list, so that a client that deletes while it pages can go on (P-8).
-- `scope` is the project of an assistant, the thread of a message, "<thread id>/<run id>" of a step.
CREATE TABLE tombstones (
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (scope, id)
) WITHOUT ROWID;

-- Deleted threads whose messages, steps and turns are still to be removed, a little at a time.
CREATE TABLE deleted_threads (
    id TEXT PRIMARY KEY,
    deleted_at INTEGER NOT NULL
) WITHOUT ROWID;
