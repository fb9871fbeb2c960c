"""Runs and everything that happens to them: commands change, the worker executes, the feed tells."""
