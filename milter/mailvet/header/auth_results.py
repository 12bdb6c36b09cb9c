"""auth_results – word a Report as the value of our one Authentication-Results field (RFC 8601).

`format_value` is total and bounded. Only registered methods, results and properties are written, since
some readers drop a field with any other; what else is worth saying stands in comments. Domains only: no
local part. Everything from outside goes through `text`. Readers split and search this field without a
parser: so it has one `spf=`, and nothing in a comment or value looks like the end of one.

Raises     nothing
Not here   reading such fields (header.auth_results_parser); where the field goes (edits)
"""

from typing import Final

from mailvet.text import comment, pvalue
from mailvet.verdict import (
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
)

_WIDTH: Final = 78  # RFC 5322 §2.1.1
_MOST_SIGNATURES: Final = 12  # a field of about 8 kB at the very most
_LONGEST_TERM: Final = 60  # of an SPF record; what was cut can be seen with `mailvet check`
_SECURE: Final = {True: "DNSSEC", False: "no DNSSEC", None: ""}


def format_value(report: Report, authserv_id: str) -> str:
    """The value, with its leading space and folded with "\\n": one method a line, and each line folded on."""
    if report.auth is not None and report.auth.result is AuthResult.NONE:
        return f" {pvalue(authserv_id)}; none"  # RFC 8601 §2.2: no-result
    lines = [f" {pvalue(authserv_id)}"]
    if report.auth is not None:
        lines.append(_auth(report.auth))
    else:
        if report.iprev is not None:
            lines.append(_iprev(report.iprev))
        if report.spf is not None:
            lines.append(_spf(report.spf, report.null_sender))
        lines += [_dkim(verdict) for verdict in report.dkim[:_MOST_SIGNATURES]] or ["dkim=none"]
        if report.arc is not None:
            lines.append(_arc(report.arc, report.remote_ip))
        if report.dmarc is not None:
            lines.append(_dmarc(report.dmarc, authserv_id))
    return ";\n ".join([line if len(line) < _WIDTH - 1 else _folded(line) for line in lines])


def _folded(line: str) -> str:
    """At blanks, of which no quoted string has one; a comment begins on the line of its result."""
    done: list[str] = []
    for word in line.split(" "):
        # the blank before, and the ";" that may follow
        if done and (len(done[-1]) + len(word) + 2 < _WIDTH or (word[0] == "(" and len(done) == 1)):
            done[-1] += " " + word
        else:
            done.append(word)
    return "\n  ".join(done)


def _remark(*parts: str) -> str:
    said = ", ".join([part for part in parts if part])
    return f" ({said})" if said else ""


def _auth(verdict: AuthVerdict) -> str:
    # the domain alone, as RFC 8601 §2.7.4 leaves the choice and a local part is nobody's business
    return f"auth={verdict.result}" + (f" smtp.auth={pvalue(verdict.domain)}" if verdict.domain else "")


def _iprev(verdict: IprevVerdict) -> str:
    remark = _remark(_SECURE[verdict.secure], comment(verdict.problem))
    where = f" policy.iprev={pvalue(verdict.address)}" if verdict.address else ""
    return f"iprev={verdict.result}{remark}{where}"


def _spf(verdict: SpfVerdict, null_sender: bool) -> str:
    """The verdict on MAIL FROM. The one on HELO never stands in for it: to most readers any `spf=pass` is one."""
    remark = _remark(_matched(verdict), _SECURE[verdict.secure], comment(verdict.problem))
    prop = "helo" if null_sender else "mailfrom"  # RFC 8601 §2.7.2: the identity that gave the result
    where = f" smtp.{prop}={pvalue(verdict.domain)}" if verdict.domain else ""
    return f"spf={verdict.result}{remark}{where}"


def _matched(verdict: SpfVerdict) -> str:
    """Which term of the record kept the message from passing."""
    term = verdict.mechanism
    if not term or verdict.result not in (SpfResult.FAIL, SpfResult.SOFTFAIL, SpfResult.NEUTRAL):
        return ""
    said = comment(term if len(term) <= _LONGEST_TERM else term[: _LONGEST_TERM - 3] + "...")
    return f"matched {said}" if said else ""


def _dkim(verdict: DkimVerdict) -> str:
    if verdict.result is DkimResult.NONE:
        return f"dkim=none{_remark(comment(verdict.problem))}"
    bits = f"{verdict.key_bits}-bit key" if verdict.key_bits else ""
    remark = _remark(bits, _SECURE[verdict.secure], comment(verdict.problem))
    line = f"dkim={verdict.result}{remark}"
    if verdict.domain:
        line += f" header.d={pvalue(verdict.domain)}"
    if verdict.identity:
        line += f" header.i={pvalue(verdict.identity)}"
    if verdict.algorithm:
        line += f" header.a={pvalue(verdict.algorithm)}"
    if verdict.selector:
        line += f" header.s={pvalue(verdict.selector)}"
    if verdict.signature_prefix:
        line += f" header.b={pvalue(verdict.signature_prefix)}"  # RFC 6008
    return line


def _arc(verdict: ArcVerdict, remote_ip: str) -> str:
    sealed = f"sealed by {verdict.sealed_by} as {verdict.sealed.replace('=', ' ')}" if verdict.sealed else ""
    line = f"arc={verdict.result}{_remark(comment(sealed), _SECURE[verdict.secure], comment(verdict.problem))}"
    if verdict.oldest_pass is not None:
        line += f" header.oldest-pass={verdict.oldest_pass}"  # RFC 8617 §5.2
    return line + (f" smtp.remote-ip={pvalue(remote_ip)}" if remote_ip else "")


def _dmarc(verdict: DmarcVerdict, authserv_id: str) -> str:
    """Where the recipient should act, our name stands next to the result: some mail programs can search for one
    piece of text only, and it has to be one that another host's field does not have by accident."""
    failed = verdict.result is DmarcResult.FAIL
    asked = failed and verdict.requested is not Policy.NONE
    ours = comment(authserv_id) if asked or verdict.result is DmarcResult.PERMERROR else ""
    policy = f"p:{verdict.published}" if verdict.published is not None else ""
    testing = "t:y" if failed and verdict.testing else ""
    remark = _remark(ours, policy, testing, _SECURE[verdict.secure], comment(verdict.problem))
    line = f"dmarc={verdict.result}{remark}"
    if verdict.author_domain:
        line += f" header.from={pvalue(verdict.author_domain)}"
    if verdict.published is not None:
        line += f" policy.dmarc={verdict.requested}"  # RFC 9989 §9.1; without a record there is none
    return line
