"""mailfile – cut a stored message into what a milter would be shown of it.

As in Postfix, the first line that is neither a header field nor a continuation ends the header. Line ends become CRLF
in the body and "\\n" inside a field value. An mbox "From " line at the top, quoted or not, is skipped. The output of
postcat(1) for a queue file is accepted too: the message in it, and its envelope.

Raises     nothing
Not here   which envelope `mailvet check` uses, and the verdicts (commands.check)
"""

import re
from typing import NamedTuple

_POSTCAT = re.compile(rb"\*\*\* ENVELOPE RECORDS (\S+) \*\*\*\n")
_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+[ \t]*:")  # RFC 5322 §3.6.8, and spaces before the colon as Postfix accepts


class QueueEnvelope(NamedTuple):
    """The envelope that postcat prints; what is None is not there."""

    sender: str | None
    client: str | None
    helo: str | None


class MailFile(NamedTuple):
    """A stored message."""

    fields: tuple[tuple[bytes, bytes], ...]  # name, and value with its leading white space
    body: bytes  # CRLF line ends
    queued: QueueEnvelope | None = None  # None: not the output of postcat


def parse(data: bytes) -> MailFile:
    """Return the message in a file; any bytes are one."""
    printed = _POSTCAT.match(data)
    if printed is None:
        return _message(data)
    records, _, rest = data.partition(b"*** MESSAGE CONTENTS %s ***\n" % printed[1])
    # the last such line, since the message itself may have one
    contents, end, _ = rest.rpartition(b"*** HEADER EXTRACTED %s ***\n" % printed[1])
    return _message(contents if end else rest)._replace(queued=_envelope(records))


def _envelope(records: bytes) -> QueueEnvelope:
    found: dict[str, str] = {}
    for line in records.decode("utf-8", "replace").split("\n"):
        attribute = line.removeprefix("named_attribute: ")
        name, _, value = attribute.partition(": " if attribute == line else "=")
        found.setdefault(name, value)
    return QueueEnvelope(found.get("sender"), found.get("client_address"), found.get("helo_name"))


def _message(data: bytes) -> MailFile:
    lines = data.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    lines = [line.removesuffix(b"\r") for line in lines]
    at = 1 if lines and lines[0].lstrip(b">").startswith(b"From ") else 0
    fields: list[tuple[bytes, list[bytes]]] = []
    while at < len(lines):
        line = lines[at]
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1][1].append(line)
        elif _NAME.match(line):
            name, _, value = line.partition(b":")
            fields.append((name.rstrip(b" \t"), [value]))
        else:
            break
        at += 1
    if at < len(lines) and not lines[at]:
        at += 1
    body = b"".join(line + b"\r\n" for line in lines[at:])
    return MailFile(tuple((name, b"\n".join(value)) for name, value in fields), body)
