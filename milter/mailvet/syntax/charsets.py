"""charsets – decode octets in the charset that a message names, and as a reader does that does not know the charset.

Raises     nothing
Not here   encoded words (syntax.readings)
"""

import re
from encodings.aliases import aliases
from functools import lru_cache
from typing import Final

# Python's codecs by their names without punctuation. Names from messages are looked up here alone: `codecs` would
# import a module for each, and remember those that do not exist for ever.
_NO_TEXT: Final = ("base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs")
_UNNAMED: Final = (
    "cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u", "utf_8_sig", "raw_unicode_escape",
)  # fmt: skip
_OTHER_NAMES: Final = {
    "windows-31j": "cp932", "windows-949": "cp949", "iso-8859-6-i": "iso8859_6", "iso-8859-8-i": "iso8859_8",
}  # fmt: skip
_NAMES: Final = (*aliases.items(), *_OTHER_NAMES.items(), *((codec, codec) for codec in (*aliases.values(), *_UNNAMED)))
_CODECS: Final = {re.sub("[^a-z0-9]", "", name): codec for name, codec in _NAMES if codec not in _NO_TEXT}
_LONGEST_NAME: Final = 60
# codecs to try for a charset that Python does not know, but other readers may
GUESSED: Final = ("utf_7", "cp500", "utf_16_be", "utf_16_le")
# without a byte order mark they are big-endian (RFC 2781 §4.3), but Python takes the machine's order
BIG_ENDIAN: Final = frozenset({"utf_16", "utf_32"})
SHIFTING: Final = ("iso2022", "hz")  # prefixes of codecs in which octets that look like ASCII may be something else
# text with no other escapes than those of ISO-2022-JP (RFC 1468), which no reader takes for ASCII
_JAPANESE: Final = re.compile(rb"(?:[^\x0e\x0f\x1b]++|\x1b(?:\$[@B]|\([BJI]))*+")
_EBCDIC_DOT: Final = re.compile(rb"[\x81-\xf9]\x4b[\x81-\xf9]")  # between letters, in every EBCDIC
_SHIFT: Final = re.compile(rb"[\x0e\x1b]|~\{")
# prefixes of codecs in which ASCII octets are ASCII, so that texts may be joined before they are decoded
BY_OCTET: Final = ("utf_8", "ascii", "latin", "iso8859", "cp125", "koi8", "euc", "gb")

# in which an octet that looks like "\" or "@" may belong to the character before it
MULTIBYTE: Final = ("cp932", "gb18030", "big5hkscs", "johab", "cp949", "euc_jp")


def codec_of(charset: str) -> str | None:
    """Return the name of Python's codec for a charset as an encoded word names it; None: there is none."""
    return _known(charset) if len(charset) <= _LONGEST_NAME else None


@lru_cache(maxsize=256)
def _known(charset: str) -> str | None:
    name = "".join([char for char in charset.partition("*")[0].lower() if char.isascii() and char.isalnum()])
    return _CODECS.get(name) or _CODECS.get(name.removeprefix("x"))


def by_charset(charset: str, octets: bytes) -> str:
    """Decode the octets in this charset, or as Latin-1 if Python does not know it."""
    codec = codec_of(charset)
    return octets.decode(codec or "latin-1", "replace")


def unbelieved(charset: str, octets: bytes) -> str:
    """Decode the octets as a reader that does not know the charset: NUL dropped, each other octet a character.

    ISO-2022-JP is decoded all the same: a reader either knows its escapes, or sees no text at all.
    """
    codec = codec_of(charset)
    if codec is not None and codec.startswith("iso2022_jp") and _JAPANESE.fullmatch(octets):
        try:
            return octets.decode(codec)
        except ValueError:
            pass
    return octets.replace(b"\0", b"").decode("latin-1")


def imap(octets: bytes) -> str:
    """Decode IMAP's modified UTF-7 (RFC 3501 §5.1.3), with "&" for "+" and "," for "/"."""
    return octets.replace(b"+", b"+-").replace(b"&", b"+").replace(b",", b"/").decode("utf_7", "replace")


def may_be_address(charset: str, octets: bytes) -> bool:
    """Return whether the octets may be an address, in a charset that Python does not know."""
    if codec_of(charset) is not None:
        return False
    shift = _SHIFT.search(octets)
    return _EBCDIC_DOT.search(octets) is not None or (shift is not None and b"@" in octets[shift.end() :])
