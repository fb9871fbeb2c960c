"""Lose a stream in the middle and go on where it stopped: a run does not stop when its reader goes.

    python examples/reattach.py

TREADLE_BASE_URL and TREADLE_API_KEY say where the server is. Another server than Treadle has no streamRun.
"""

from treadle import Client
from treadle.client import Event
from treadle.contract.events import MessageDelta, TextContentDelta


def main() -> None:
    with Client() as client:
        assistant = client.create_assistant(model="gpt-4o", instructions="Answer in three sentences.")
        thread = client.create_thread(messages=[{"role": "user", "content": "Why is the sky blue?"}])

        with client.create_run(thread_id=thread.id, assistant_id=assistant.id, stream=True) as events:
            first = next(events)
            last_seen = first.id
            for event in events:
                show(event)
                last_seen = event.id
                if isinstance(event.data, MessageDelta):
                    break
        print("\n--- the connection is gone; again, from event", last_seen)

        for event in client.stream_run(thread_id=thread.id, run_id=first.data.id, last_event_id=last_seen):
            show(event)
        print()


def show(event: Event) -> None:
    if isinstance(event.data, MessageDelta):
        for block in event.data.delta.content or []:
            if isinstance(block, TextContentDelta) and block.text:
                print(block.text.value or "", end="", flush=True)


if __name__ == "__main__":
    main()
