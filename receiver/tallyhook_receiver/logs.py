"""Log messages about hooks, and a formatter that writes JSON."""

import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType

from tallyhook.tables import printable
from tallyhook_receiver.inbox import Letter

log = logging.getLogger("tallyhook.receiver")

# The `extra` fields of the receiver's log records. A record has only the fields that are known.
FIELDS = ("hook", "product", "type", "attempt", "state", "status", "exception", "reason", "place")


# The log fields of the current attempt at a hook, also in the threads that run handlers.
working_at: ContextVar[Mapping[str, str]] = ContextVar("tallyhook_working_at", default=MappingProxyType({}))


def log_hook(
    level: int, letter: Letter, what: str, more: Mapping[str, str] | None = None, *, is_kept: bool = True
) -> None:
    """Log the message `what` about a hook. `more` adds fields to the log record.

    If the inbox contains the hook (`is_kept`), an error message ends with the command that shows the hook.
    """
    of_type = f", {printable(letter.type)}" if letter.type else ""
    command = f" (tallyhook inbox show {letter.name})" if is_kept and level >= logging.ERROR else ""
    log.log(
        level, "hook %s%s: %s%s", letter.name, of_type, what, command, extra={**letter.about, **(more or {})}
    )


class JSONFormatter(logging.Formatter):
    """Writes one JSON object per line: `time` (UTC), `level`, `logger`, `message`, and fields about the hook.

        handler = logging.StreamHandler()
        handler.setFormatter(JSONFormatter())
        logging.basicConfig(level=logging.INFO, handlers=[handler])

    During an attempt, log records from your hook handlers and from libraries get the hook's fields too. If an
    exception is logged, the field `error` contains its traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        known = working_at.get()
        for field in FIELDS:
            if (value := getattr(record, field, known.get(field))) is not None:
                line[field] = value
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
