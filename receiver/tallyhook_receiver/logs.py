"""Logs about hooks, and a formatter that writes them as JSON."""

import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol

from tallyhook_receiver.inbox import Letter

log = logging.getLogger("tallyhook.receiver")

# What the receiver's own records carry as `extra`, as far as it is known.
FIELDS = ("hook", "product", "type", "attempt", "state", "status", "exception", "reason", "place")


class Work(Protocol):
    """The current hook, for logs."""

    @property
    def about(self) -> Mapping[str, str]: ...


# Set for the time of an attempt at a hook, also in the threads that handlers run in.
working_at: ContextVar[Work | None] = ContextVar("tallyhook_working_at", default=None)


def log_hook(
    level: int, letter: Letter, what: str, more: Mapping[str, str] | None = None, *, is_kept: bool = True
) -> None:
    """Log a message about a hook. `more` are extra fields of the record.

    An error ends with the command that shows the hook, if the inbox has it.
    """
    of_type = f", {letter.type}" if letter.type else ""
    command = f" (tallyhook inbox show {letter.name})" if is_kept and level >= logging.ERROR else ""
    log.log(
        level, "hook %s%s: %s%s", letter.name, of_type, what, command, extra={**letter.about, **(more or {})}
    )


class JSONFormatter(logging.Formatter):
    """One JSON object per line: `time` (UTC), `level`, `logger`, `message`, and the fields about the hook.

        handler = logging.StreamHandler()
        handler.setFormatter(JSONFormatter())
        logging.basicConfig(level=logging.INFO, handlers=[handler])

    Records that a handler or a library logs during an attempt get the hook and the attempt too. `error` has a
    logged exception with its traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        work = working_at.get()
        known = {} if work is None else work.about
        for field in FIELDS:
            if (value := getattr(record, field, known.get(field))) is not None:
                line[field] = value
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
