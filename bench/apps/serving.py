"""Start an ASGI application exactly as `treadle serve` starts its own."""

from typing import Any

import uvicorn


def serve(application: Any, port: int) -> None:
    """Until a signal comes. Any: an ASGI application, whose type has no common name."""
    config = uvicorn.Config(
        application,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=75,
    )
    uvicorn.Server(config).run()
