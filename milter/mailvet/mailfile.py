"""mailfile – a stored message cut into what a milter would be shown of it.

Postfix's rules: a line that is no header field and no continuation ends the header; line ends become
CRLF in the body and "\\n" inside a field value; an mbox "From " line at the top, quoted or not, is skipped.

Raises     nothing
Not here   envelope and verdicts (check)
"""

import re
from typing import NamedTuple

_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+[ \t]*:")  # RFC 5322 §3.6.8, and Postfix's blanks before the colon


class MailFile(NamedTuple):
    fields: tuple[tuple[bytes, bytes], ...]  # name, and value with its leading white space
    body: bytes  # CRLF line ends


def parse(data: bytes) -> MailFile:
    """Any bytes are a message."""
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
