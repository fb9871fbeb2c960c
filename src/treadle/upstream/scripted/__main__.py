"""`python -m treadle.upstream.scripted` prints {"base_url": ...} as one line when it listens; SIGTERM or ^C ends it."""

import argparse
import asyncio
import contextlib
import json
import pathlib
import signal
import sys
from collections.abc import Callable

from treadle.upstream.scripted import Script, ScriptedUpstream, Steady, load


def main() -> None:
    options = _parser().parse_args()
    script = load(options.script) if options.script else Script()
    steady = Steady(tokens=options.tokens, interval_seconds=options.interval / 1000) if options.tokens else None
    server = ScriptedUpstream.of(script, steady=steady, api_key=options.api_key, host=options.host, port=options.port)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(server))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m treadle.upstream.scripted", description="A scripted model server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one (default)")
    parser.add_argument("--api-key", help="refuse requests without this key")
    parser.add_argument("--script", type=pathlib.Path, metavar="FILE", help="JSON or TOML with turns or rounds")
    parser.add_argument("--tokens", type=int, metavar="N", help="instead of a script: streams of N equal chunks")
    parser.add_argument("--interval", type=float, default=20.0, metavar="MS", help="between those chunks (default 20)")
    return parser


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 (not made for Windows)

    return uvloop.new_event_loop


async def _serve(server: ScriptedUpstream) -> None:
    stop = asyncio.Event()
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with server:
        print(json.dumps({"base_url": server.base_url}), flush=True)
        await stop.wait()


if __name__ == "__main__":
    main()
