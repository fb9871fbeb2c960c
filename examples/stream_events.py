"""Every event of a run as it happens, and its text as it is written.

    python examples/stream_events.py "Your question"

TREADLE_BASE_URL and TREADLE_API_KEY say where the server is.
"""

import asyncio
import sys

from treadle import AsyncClient
from treadle.contract.events import MessageDelta, TextContentDelta


async def main(question: str) -> None:
    async with AsyncClient() as client:
        assistant = await client.create_assistant(model="gpt-4o", instructions="Answer in one sentence.")
        events = await client.create_thread_and_run(
            assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": question}]}, stream=True
        )
        async for event in events:
            if isinstance(event.data, MessageDelta):
                print(text_of(event.data), end="", flush=True)
            else:
                print(f"\n[{event.name}]", end=" ")
        print()


def text_of(delta: MessageDelta) -> str:
    """The fragments of text in a delta; what a delta does not mention is UNSET, which is false."""
    blocks = delta.delta.content or []
    return "".join(block.text.value or "" for block in blocks if isinstance(block, TextContentDelta) and block.text)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "Why is the sky blue?"))
