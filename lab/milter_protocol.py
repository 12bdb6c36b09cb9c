"""milter_protocol – the milter protocol (version 6) as octets: steps, their flags, and a message as Postfix splits it.

Raises     nothing
Not here   a conversation with a milter (milterclient), one that is timed (bench.milter_load)
"""

import struct

LEADING_SPACE = 0x100000  # protocol flag: white space after a colon belongs to the value
# command → (protocol flag: do not send it, protocol flag: it gets no reply), libmilter/mfdef.h
STEPS = {
    b"C": (0x1, 0x1000),
    b"H": (0x2, 0x2000),
    b"M": (0x4, 0x4000),
    b"R": (0x8, 0x8000),
    b"T": (0x200, 0x10000),
    b"L": (0x20, 0x80),
    b"N": (0x40, 0x40000),
    b"B": (0x10, 0x80000),
    b"E": (0, 0),
}


def packet(command: bytes, data: bytes = b"") -> bytes:
    """Return the packet of one step, with its length in front."""
    return struct.pack("!I", len(data) + 1) + command + data


def split(raw: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the header fields as a milter is shown them, lines joined by a newline, and the body."""
    head, _, body = raw.partition(b"\r\n\r\n")
    fields: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\r\n") if head else ():
        if line[:1] in (b" ", b"\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, value + b"\n" + line)
        else:
            name, _, value = line.partition(b":")
            fields.append((name, value))
    return fields, body
