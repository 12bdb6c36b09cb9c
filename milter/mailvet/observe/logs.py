"""logs – writes log lines to standard error, one write for each, in the format that suits what reads them.

`text` is for a terminal, `journal` for systemd (severity prefix), `json` for everything else.

Raises     nothing: a log that cannot be written must not stop mail
Not here   what a line says (journal), a reader that does not read (log_output)
"""

import contextlib
import os
import sys
import time
import traceback

from mailvet.observe import journal
from mailvet.observe.log_output import LogOutput
from mailvet.settings import LogSettings

_LEVELS = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # RFC 5424 §6.2.1


class Log:
    """The log of one process. Lines are written whole, so those of several processes do not mix."""

    def __init__(self, settings: LogSettings, descriptor: int = 2) -> None:
        self._output = LogOutput(descriptor)
        self._logged_lost = 0  # how many of the lost lines have been reported in the log
        self._format = _format(settings.format, descriptor)
        self._threshold = _LEVELS[settings.level]

    @property
    def dropped(self) -> int:
        """Return the number of lines that were lost because nothing read the log."""
        return self._output.dropped

    def message(self, line: journal.Line) -> None:
        """Log one message's line."""
        self._line("info", line)

    def say(self, level: str, event: str, **pairs: str | int | float) -> None:
        """Log something about the daemon itself: `event` names it, the pairs say more."""
        self._line(level, {"event": event, **pairs})

    def report_bug(self, where: str, error: BaseException, queue_id: str = "") -> None:
        """Log an unexpected exception with its traceback, on one line, so that it can be reported."""
        try:
            text, trace = repr(error), " | ".join("".join(traceback.format_exception(error)).split("\n"))
        except Exception:  # its __repr__ raises, or there is no memory
            text, trace = type(error).__name__, ""
        known = {"id": queue_id} if queue_id else {}
        self.say("error", "bug", where=where, **known, error=text[:500], traceback=trace[-3000:])

    def _line(self, level: str, line: journal.Line) -> None:
        severity = _LEVELS[level]
        if severity > self._threshold:
            return
        if self._output.write(self._formatted(severity, level, line)) and self._output.dropped != self._logged_lost:
            lost, self._logged_lost = self._output.dropped - self._logged_lost, self._output.dropped
            self._line("warning", {"event": "log", "dropped": lost})

    def _formatted(self, severity: int, level: str, line: journal.Line) -> bytes:
        if self._format == "json":
            text = journal.as_json({"time": round(time.time(), 3), "level": level, **line})
        elif self._format == "journal":
            text = f"<{severity}>{journal.as_text(line)}"
        else:
            text = f"{time.strftime('%H:%M:%S')} {level} {journal.as_text(line)}"
        return text.encode("utf-8", "backslashreplace") + b"\n"


def _format(wanted: str, descriptor: int) -> str:
    """Return "text", "journal" or "json"; for "auto", what suits the reader of this descriptor."""
    if wanted != "auto":
        return wanted
    if os.isatty(descriptor):
        return "text"
    return "journal" if _is_journal(descriptor) else "json"


def _is_journal(descriptor: int) -> bool:
    """Return whether systemd's journal reads this descriptor.

    What a service starts may inherit $JOURNAL_STREAM without the stream (systemd.exec(5)), so the two are compared.
    """
    with contextlib.suppress(OSError):
        status = os.fstat(descriptor)
        return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return False


def complain(text: str) -> None:
    """Write a line to standard error, for the person who started the program."""
    severity = f"<{_LEVELS['error']}>" if _is_journal(2) else ""
    sys.stderr.write(f"{severity}mailvet: {text}\n")
