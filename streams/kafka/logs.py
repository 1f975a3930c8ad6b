"""What a worker says: JSON lines on standard error, with ids and figures, never what was said."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any


class JsonLines(logging.Formatter):
    """One JSON object a line. What is logged holds ids and figures, never what was said."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "role": self._role,
            "pid": record.process,
            "logger": record.name,
            "message": " ".join(record.getMessage().split()),
        }
        call_id = getattr(record, "call_id", None)
        if call_id is not None:
            line["call_id"] = call_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Sparing(logging.Filter):
    """Clients say the same thing many times a second while a broker is away: once in a while is enough."""

    def __init__(self, again_s: float = 10.0) -> None:
        super().__init__()
        self._again_s = again_s
        self._said: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now_s, key = time.monotonic(), (record.name, record.msg)
        if record.name.startswith("vigie") or now_s - self._said.get(key, -self._again_s) >= self._again_s:
            if len(self._said) > 1000:
                self._said.clear()
            self._said[key] = now_s
            return True
        return False


def set_up_logs(role: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Sparing())
    handler.setFormatter(JsonLines(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("vigie").setLevel(logging.INFO)
    # kafka-python tells of its own scheduling on a busy machine: nobody can act on that.
    logging.getLogger("kafka").setLevel(logging.ERROR)
    logging.captureWarnings(True)
