"""limits – how much work an SPF record may make us do.

RFC 7208 §4.6.4 counts terms and void lookups; it leaves room for records that cost seconds of CPU or a hundred
questions. A record beyond the limits here is permerror: its owner can mend it, and no ordinary sender needs it.

Raises     nothing
Not here   the ten terms and ten exchanges, which the library counts (checks.spf.pyspf)
"""

from typing import Final

from mailvet.values import Problem

VOIDS: Final = 2  # RFC 7208 §4.6.4: terms whose questions found nothing
QUESTIONS: Final = 30  # RFC 7208 §11.1: ten mx terms alone could ask 110, and the message has others to ask
RECORD: Final = 8192  # octets; RFC 7208 §3.4 recommends less than 512
NAME: Final = 253  # characters of a domain, RFC 7208 §7.3
_LONGEST_TERM: Final = 512  # twice the longest name
_MOST_TERMS: Final = 500  # of one record, all of which are read before the first is evaluated
_MOST_MACROS: Final = 200  # macros of one record and the dots around them: each may stand for a thousand characters


def refusal(record: str) -> Problem | None:
    """Return why a record is not evaluated; None if it is."""
    words = record.split(" ") if len(record) <= RECORD else []
    if not words or max(map(len, words)) > _LONGEST_TERM:
        return Problem("The record or a term of it is too long")
    if len(words) - words.count("") > _MOST_TERMS:
        return Problem(f"The record has over {_MOST_TERMS} terms")
    if "%" in record and sum(word.count("%") + word.count(".") for word in words if "%" in word) > _MOST_MACROS:
        return Problem("Too many macros")
    return None


def fitting(name: str) -> str:
    """Return the name without the labels on its left that make it longer than 253 characters (RFC 7208 §7.3)."""
    return name if len(name) <= NAME else name[-NAME - 1 :].partition(".")[2]
