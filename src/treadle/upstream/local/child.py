"""The process that runs the embedded model: `python -m treadle.upstream.local.child --model PATH`.

It serves Chat Completions on a free loopback port and says where in one line of JSON: {"base_url", "api_key"}, or
{"error"} when it cannot. It ends when its standard input does, so it never outlives its parent.
"""

import argparse
import ctypes
import importlib
import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

_PARALLEL_REQUESTS = 2
# Remembered prompts of earlier conversations. The runtime's own default is 8 GiB.
_PROMPT_CACHE_MIB = 128
# A JSON schema that explodes in the runtime shall cost this process, not the machine.
_MEMORY_MAX_BYTES = 4 * 1024**3
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until standard input ends; exit status 1 when the model does not load."""
    parser = argparse.ArgumentParser(prog="python -m treadle.upstream.local.child", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--context", type=int, required=True, help="tokens of prompt and answer, for each request")
    options = parser.parse_args()

    report = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever the runtime prints belongs into the log
    if sys.platform == "linux":
        _tie_to_parent()
    try:
        # Kept in a name: the server stops when it is collected.
        _server, place = _serve(options.model, threads=options.threads, context_tokens=options.context)
    except Exception as error:  # the runtime raises many kinds, and each means the same here
        os.write(report, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        os._exit(1)
    os.write(report, json.dumps(place).encode() + b"\n")
    sys.stdin.buffer.read()
    # The runtime's threads may be in the middle of an answer; nobody waits for it any more.
    os._exit(0)


def _tie_to_parent() -> None:
    """Let the kernel kill us with our parent, also while the runtime holds the interpreter, and bound our memory."""
    import resource  # noqa: PLC0415 - exists on POSIX only

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MAX_BYTES, _MEMORY_MAX_BYTES))


def _serve(model: Path, *, threads: int, context_tokens: int) -> tuple[Any, dict[str, str]]:
    """The running server (Any: the runtime ships no types) and the address and key with which to reach it."""
    xllamacpp: Any = importlib.import_module("xllamacpp")  # an optional dependency
    api_key = secrets.token_urlsafe(32)  # other users of this machine can reach the port, too
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.n_parallel = _PARALLEL_REQUESTS
    parameters.n_ctx = context_tokens * _PARALLEL_REQUESTS
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.cache_ram_mib = _PROMPT_CACHE_MIB
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.api_keys = [api_key]
    parameters.ui = parameters.endpoint_slots = False  # slots would show other people's prompts
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)
    return server, {"base_url": f"{server.listening_address}/v1", "api_key": api_key}


if __name__ == "__main__":
    main()
