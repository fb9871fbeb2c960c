"""The client: one method per operationId, in both spellings, for Treadle and any other server with this wire.

`methods.py` and `async_methods.py` are written by `generate.py` from the table of operations. They are real modules and
not made at import, so that editors and type checkers see what runs. Their classes are `treadle.Client` and
`treadle.AsyncClient`; what a call may raise or return beside the contract's types is here.
"""

from treadle.client.events import AsyncStream, Event, Stream
from treadle.client.failures import ConnectionFailed, UnexpectedAnswer

__all__ = ["AsyncStream", "ConnectionFailed", "Event", "Stream", "UnexpectedAnswer"]
