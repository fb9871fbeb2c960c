"""A real server process is killed at every commit of a run, started again, and the run ends as it should (R-9)."""
