"""The chaos suite: API and worker processes on one PostgreSQL, while a monkey kills, pauses and cuts them.

`python -m tests.chaos --help` (or `make chaos`) runs it in full length; `test_chaos.py` is a short version.
"""
