"""auth_results – word a Report as the value of our one Authentication-Results field (RFC 8601).

`format_value` never raises, and its result is bounded. Only registered methods, results and properties are written,
since some readers drop a field that has others; further facts stand in comments. It has domains, never a local part.
Everything from outside goes through `text`. Some readers split and search this field without a parser: so it has one
`spf=`, and no comment or value contains what looks like its end.

Raises     nothing
Not here   reading such fields (header.auth_results_parser); where the field is inserted (edits)
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from mailvet.text import comment, pvalue
from mailvet.verdict import (
    METHODS,
    SEVERAL,
    ArcVerdict,
    AuthResult,
    AuthVerdict,
    DkimResult,
    DkimVerdict,
    DmarcResult,
    DmarcVerdict,
    IprevVerdict,
    Policy,
    Report,
    SpfResult,
    SpfVerdict,
    Verdict,
)

_WIDTH: Final = 78  # RFC 5322 §2.1.1
_MOST_RESULTS: Final = 12  # of one method: a field of about 8 kB at the very most
_LONGEST_TERM: Final = 60  # of an SPF record; what was cut can be seen with `mailvet check`
_SECURE: Final = {True: "DNSSEC", False: "no DNSSEC", None: ""}


# Remarks for the comment, already encoded, and properties with their values; what is "" is left out
_Facts = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]


class _About(NamedTuple):
    """What an entry depends on besides its verdict."""

    report: Report
    authserv_id: str


def format_value(report: Report, authserv_id: str) -> str:
    """Return the value with its leading space, folded with "\\n": each result on a line, long lines folded again."""
    if report.auth is not None and report.auth.result is AuthResult.NONE:
        return f" {pvalue(authserv_id)}; none"  # RFC 8601 §2.2: no-result
    about = _About(report, authserv_id)
    lines = [f" {pvalue(authserv_id)}"]
    for name, facts in _WORDED:
        verdicts = getattr(report, name)
        if name == "dkim" and not verdicts:
            lines.append("dkim=none")
        elif name in SEVERAL:
            lines += [_line(verdict, facts(verdict, about)) for verdict in verdicts[:_MOST_RESULTS]]
        elif verdicts is not None:
            lines.append(_line(verdicts, facts(verdicts, about)))
            if name == "auth":
                break  # nothing else was checked
    return ";\n ".join([line if len(line) < _WIDTH - 1 else _folded(line) for line in lines])


def _line(verdict: Verdict, facts: _Facts) -> str:
    remarks, properties = facts
    said = ", ".join([remark for remark in remarks if remark])
    line = f"{verdict.method}={verdict.result} ({said})" if said else f"{verdict.method}={verdict.result}"
    for name, value in properties:
        if value:
            line += f" {name}={pvalue(value)}"
    return line


def _folded(line: str) -> str:
    """Return the line folded at blanks (no quoted string has one). A comment begins on the line of its result."""
    done: list[str] = []
    for word in line.split(" "):
        # the blank before, and the ";" that may follow
        if done and (len(done[-1]) + len(word) + 2 < _WIDTH or (word[0] == "(" and len(done) == 1)):
            done[-1] += " " + word
        else:
            done.append(word)
    return "\n  ".join(done)


def _auth(verdict: AuthVerdict, _: _About) -> _Facts:
    # the domain alone, as RFC 8601 §2.7.4 leaves the choice and a local part is nobody's business
    return (), (("smtp.auth", verdict.domain),)


def _iprev(verdict: IprevVerdict, _: _About) -> _Facts:
    remarks = (_SECURE[verdict.secure], comment(verdict.problem))
    return remarks, (("policy.iprev", verdict.address),)


def _spf(verdict: SpfVerdict, about: _About) -> _Facts:
    """Return what is said of MAIL FROM. The verdict on HELO never replaces it: most readers believe any `spf=pass`."""
    remarks = (_matched(verdict), _SECURE[verdict.secure], comment(verdict.problem))
    # RFC 8601 §2.7.2: the identity that gave the result
    identity = "smtp.helo" if about.report.null_sender else "smtp.mailfrom"
    return remarks, ((identity, verdict.domain),)


def _matched(verdict: SpfVerdict) -> str:
    """Return a remark that names the term of the record that kept the message from passing, or ""."""
    term = verdict.mechanism
    if not term or verdict.result not in (SpfResult.FAIL, SpfResult.SOFTFAIL, SpfResult.NEUTRAL):
        return ""
    said = comment(term if len(term) <= _LONGEST_TERM else term[: _LONGEST_TERM - 3] + "...")
    return f"matched {said}" if said else ""


def _dkim(verdict: DkimVerdict, _: _About) -> _Facts:
    if verdict.result is DkimResult.NONE:
        return (comment(verdict.problem),), ()
    bits = f"{verdict.key_bits}-bit key" if verdict.key_bits else ""
    properties = (
        ("header.d", verdict.domain),
        ("header.i", verdict.identity),
        ("header.a", verdict.algorithm),
        ("header.s", verdict.selector),
        ("header.b", verdict.signature_prefix),  # RFC 6008
    )
    return (bits, _SECURE[verdict.secure], comment(verdict.problem)), properties


def _arc(verdict: ArcVerdict, about: _About) -> _Facts:
    sealed = f"sealed by {verdict.sealed_by} as {verdict.sealed.replace('=', ' ')}" if verdict.sealed else ""
    remarks = (comment(sealed), _SECURE[verdict.secure], comment(verdict.problem))
    properties = (
        ("header.oldest-pass", "" if verdict.oldest_pass is None else str(verdict.oldest_pass)),  # RFC 8617 §5.2
        ("smtp.remote-ip", about.report.remote_ip),
    )
    return remarks, properties


def _dmarc(verdict: DmarcVerdict, about: _About) -> _Facts:
    """Return what is said of DMARC. Where the recipient should act, our authserv-id stands next to the result.

    Some mail programs can search for one piece of text only, and it has to be one that another host's field does not
    have by accident.
    """
    failed = verdict.result is DmarcResult.FAIL
    asked = failed and verdict.requested is not Policy.NONE
    ours = comment(about.authserv_id) if asked or verdict.result is DmarcResult.PERMERROR else ""
    policy = f"p:{verdict.published}" if verdict.published is not None else ""
    testing = "t:y" if failed and verdict.testing else ""
    properties = (
        ("header.from", verdict.author_domain),
        # RFC 9989 §9.1; without a record there is none
        ("policy.dmarc", "" if verdict.published is None else verdict.requested.value),
    )
    remarks = (ours, policy, testing, _SECURE[verdict.secure], comment(verdict.problem))
    return remarks, properties


ENTRIES: Final[dict[str, Callable[[Any, _About], _Facts] | None]] = {
    "auth": _auth,
    "iprev": _iprev,
    "spf_helo": None,  # see _spf
    "spf": _spf,
    "dkim": _dkim,
    "arc": _arc,
    "dmarc": _dmarc,
}
"""By a method's name in a report: the remarks and properties of its entry; None: it has none."""
_WORDED: Final = tuple((name, word) for name in METHODS if (word := ENTRIES.get(name)) is not None)
