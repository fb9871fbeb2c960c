-- Run once by a superuser with psql 15 or later, with OWNER_PASSWORD and RUNTIME_PASSWORD in the environment.
-- treadle_owner owns the schema and is for `treadle migrate`. treadle is for `serve` and `worker`: it reads and changes
-- rows and makes temporary functions, but no tables.
\set ON_ERROR_STOP on
\getenv owner_password OWNER_PASSWORD
\getenv runtime_password RUNTIME_PASSWORD

CREATE ROLE treadle_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE treadle LOGIN PASSWORD :'runtime_password';

CREATE DATABASE treadle OWNER treadle_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE treadle FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE treadle TO treadle;

\connect treadle
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO treadle;
ALTER DEFAULT PRIVILEGES FOR ROLE treadle_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO treadle;
