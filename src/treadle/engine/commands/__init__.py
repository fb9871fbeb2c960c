"""What a client can make happen, one module per resource: objects are built here, checked, and committed in a batch."""

from treadle.engine.commands import assistants, cancelling, messages, runs, threads

__all__ = ["assistants", "cancelling", "messages", "runs", "threads"]
