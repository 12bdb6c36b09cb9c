"""authresults – word a Report as the value of our one Authentication-Results field (RFC 8601).

`format_value` is total and bounded. Only registered methods, results and properties are written, since
some readers drop a field with any other; what else is worth saying stands in comments. Domains only: no
local part. Everything from outside goes through `text`.

Raises     nothing
Not here   reading such fields (authresults_parse); where the field goes (edits)
"""

from typing import Final

from mailvet.text import comment, pvalue
from mailvet.verdict import (
    ArcVerdict,
    AuthResult,
    AuthVerdict,
    DkimResult,
    DkimVerdict,
    DmarcVerdict,
    IprevVerdict,
    Report,
    SpfIdentity,
    SpfVerdict,
)

_WIDTH: Final = 78  # RFC 5322 §2.1.1
_MOST_SIGNATURES: Final = 12  # a field of about 8 kB at the very most
_SECURE: Final = {True: "secure", False: "insecure", None: ""}


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
            lines.append(_spf(report.spf))
        if report.spf_helo is not None and report.spf_helo.domain:
            lines.append(_spf(report.spf_helo))
        lines += [_dkim(verdict) for verdict in report.dkim[:_MOST_SIGNATURES]] or ["dkim=none"]
        if report.arc is not None:
            lines.append(_arc(report.arc, report.remote_ip))
        if report.dmarc is not None:
            lines.append(_dmarc(report.dmarc))
    return ";\n ".join([line if len(line) < _WIDTH - 1 else _folded(line) for line in lines])


def _folded(line: str) -> str:
    """Before a property or, failing that, at any blank that is not within a quoted string."""
    done: list[str] = []
    for word in _words(line):
        # the blank before, and the ";" that may follow
        if done and len(done[-1]) + len(word) + 2 < _WIDTH:
            done[-1] += " " + word
        else:
            done.append(word)
    return "\n  ".join(done)


def _words(line: str) -> list[str]:
    """Split at blanks; a quoted string stays whole, as a fold would change what it says."""
    if '"' not in line:
        return line.split(" ")
    words: list[str] = []
    open_quote = False
    for word in line.split(" "):
        if open_quote:
            words[-1] += " " + word
        else:
            words.append(word)
        # an escaped quote does not count; pvalue escapes nothing else but the backslash itself
        if word.replace("\\\\", "").replace('\\"', "").count('"') % 2:
            open_quote = not open_quote
    return words


def _remark(*parts: str) -> str:
    said = "; ".join([part for part in parts if part])
    return f" ({said})" if said else ""


def _auth(verdict: AuthVerdict) -> str:
    # the domain alone, as RFC 8601 §2.7.4 leaves the choice and a local part is nobody's business
    return f"auth={verdict.result}" + (f" smtp.auth={pvalue(verdict.domain)}" if verdict.domain else "")


def _iprev(verdict: IprevVerdict) -> str:
    remark = _remark(_SECURE[verdict.secure], comment(verdict.problem))
    where = f" policy.iprev={pvalue(verdict.address)}" if verdict.address else ""
    return f"iprev={verdict.result}{remark}{where}"


def _spf(verdict: SpfVerdict) -> str:
    remark = _remark(_SECURE[verdict.secure], comment(verdict.problem))
    prop = "helo" if verdict.identity is SpfIdentity.HELO else "mailfrom"
    where = f" smtp.{prop}={pvalue(verdict.domain)}" if verdict.domain else ""
    return f"spf={verdict.result}{remark}{where}"


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
    line = f"arc={verdict.result}{_remark(_SECURE[verdict.secure], comment(verdict.problem))}"
    if verdict.oldest_pass is not None:
        line += f" header.oldest-pass={verdict.oldest_pass}"  # RFC 8617 §5.2
    return line + (f" smtp.remote-ip={pvalue(remote_ip)}" if remote_ip else "")


def _dmarc(verdict: DmarcVerdict) -> str:
    policy = f"p={verdict.published}" if verdict.published is not None else ""
    line = f"dmarc={verdict.result}{_remark(policy, _SECURE[verdict.secure], comment(verdict.problem))}"
    if verdict.author_domain:
        line += f" header.from={pvalue(verdict.author_domain)}"
    if verdict.published is not None:
        line += f" policy.dmarc={verdict.requested}"  # RFC 9989 §9.1; without a record there is none
    return line
