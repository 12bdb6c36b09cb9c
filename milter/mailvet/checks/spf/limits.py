"""limits – how much work an SPF record may make us do.

RFC 7208 §4.6.4 counts terms and void look-ups; it leaves room for records that cost seconds of CPU or a
hundred questions. What goes beyond the limits here is permerror: the record's owner can mend it, and
nobody's mail needs it.

Raises     nothing
Not here   the ten terms and ten exchanges, which the library counts (checks.spf.pyspf)
"""

from typing import Final

VOIDS: Final = 2  # RFC 7208 §4.6.4: terms whose questions found nothing
QUESTIONS: Final = 30  # RFC 7208 §11.1: ten mx terms alone could ask 110, and the message has others to ask
RECORD: Final = 8192  # octets; RFC 7208 §3.4 recommends less than 512
NAME: Final = 253  # characters of a domain, RFC 7208 §7.3
_TERM: Final = 512  # twice the longest name
_TERMS: Final = 500  # of one record, all of which are read before the first is evaluated
_MACROS: Final = 200  # macros of one record and the dots around them: each may stand for a thousand characters


def refusal(record: str) -> str:
    """Why a record is not evaluated; "" if it is."""
    words = record.split(" ") if len(record) <= RECORD else []
    if not words or max(map(len, words)) > _TERM:
        return "The record or a term of it is too long (limit)"
    if len(words) - words.count("") > _TERMS:
        return f"The record has over {_TERMS} terms (limit)"
    if "%" in record and sum(word.count("%") + word.count(".") for word in words if "%" in word) > _MACROS:
        return "Too many macros (limit)"
    return ""


def fitting(name: str) -> str:
    """RFC 7208 §7.3: labels go from the left until 253 characters are left."""
    return name if len(name) <= NAME else name[-NAME - 1 :].partition(".")[2]
