"""Logging: one line per record, JSON unless a person is watching."""

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pydantic_core
import structlog

#: Written to a pipe at once, so much is not mixed with what other processes write (POSIX, PIPE_BUF on Linux).
_WHOLE = 4096
#: of JSON, in all lines alike
_SEPARATORS = (",", ":")
#: the handler that writes JSON, if that is how this process logs
_json: logging.StreamHandler[Any] | None = None


def configure_logs(level: int = logging.INFO) -> None:
    """Send structlog's and the standard library's records to stderr in the same shape."""
    global _json  # noqa: PLW0603 (a process has one way to log)
    on_terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if on_terminal:
        final.append(structlog.dev.ConsoleRenderer())
    else:
        final += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(separators=_SEPARATORS)]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler: logging.StreamHandler[Any] = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _json = None if on_terminal else handler
    # They say again what the outcome's line says, or nothing that anyone asks for.
    for chatty in ("celery.app.trace", "celery.worker.strategy", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def log_many(logger: str, level: int, event: str, records: Iterable[Mapping[str, Any]]) -> None:
    """Log many records of one kind in the same shape as any other, JSON in one piece, for a fraction of the cost."""
    if not logging.getLogger(logger).isEnabledFor(level):
        return
    if _json is None:
        for record in records:
            structlog.get_logger(logger).log(level, event, **record)
        return
    stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    end = {"event": event, "logger": logger, "level": logging.getLevelName(level).lower(), "timestamp": stamp}
    piece = ""
    _json.acquire()
    try:
        for record in records:
            line = _line({**record, **end}) + _json.terminator
            if len(piece) + len(line) > _WHOLE:
                _json.stream.write(piece)
                piece = ""
            piece += line
        _json.stream.write(piece)
        _json.flush()
    finally:
        _json.release()


def _line(record: Mapping[str, Any]) -> str:
    """A record as JSON in ASCII, whatever the stream's encoding; pydantic's encoder needs a third of Python's time."""
    try:
        return pydantic_core.to_json(record).decode("ascii")
    except ValueError:  # other letters, or half of a surrogate pair: Python's encoder escapes both
        return json.dumps(record, separators=_SEPARATORS)
