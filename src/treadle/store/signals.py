"""Short messages between the processes that share a database. They may get lost: whoever waits for one also polls."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

MAX_MESSAGE_BYTES: Final = 7_999


class Signals(Protocol):
    """Carries messages to addresses. An address is a name of up to 63 bytes; a process listens to one."""

    async def send(self, to: str, messages: Sequence[str]) -> None:
        """Send messages of up to MAX_MESSAGE_BYTES, in order; equal ones may arrive as one.

        Raises DatabaseUnavailable.
        """

    async def listen(self, address: str, heard: Callable[[str], None], *, reconnected: Callable[[], None]) -> None:
        """Call `heard(message)` on the event loop for what is sent to `address`, from now on until `close`.

        After the connection was lost and is back, `reconnected()` is called: messages in between are gone.
        Raises DatabaseUnavailable when it cannot begin.
        """

    async def close(self) -> None:
        """Hear no more."""


class NoSignals:
    """Those of a database that only one process uses: there is nobody else to tell."""

    async def send(self, to: str, messages: Sequence[str]) -> None: ...

    async def listen(self, address: str, heard: Callable[[str], None], *, reconnected: Callable[[], None]) -> None: ...

    async def close(self) -> None: ...
