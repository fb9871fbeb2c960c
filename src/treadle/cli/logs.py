"""Structured logs: readable on a terminal, JSON lines elsewhere, with request and run ids, never with a secret."""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Everything to standard error at `level` ("debug", "info", "warning", "error"). Call once, in the command."""
    on_terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without the values of variables: keys are among them. Texts of callers cannot steer the terminal.
    if on_terminal:
        shared.append(
            structlog.dev.ConsoleRenderer(repr_native_str=True, exception_formatter=structlog.dev.plain_traceback)
        )
    else:
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        shared += [
            structlog.processors.ExceptionRenderer(tracebacks),
            structlog.processors.JSONRenderer(sort_keys=False),
        ]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What libraries say (uvicorn, asyncio): warnings and worse are worth a line.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
