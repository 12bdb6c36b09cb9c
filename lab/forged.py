"""forged – Authentication-Results fields that a sender may write, as on the wire.

FORGED are in the name of OWN_ID or cannot be read: none may be delivered. HARMLESS are in other hosts' names: each
has to be delivered in place and unchanged. Lines are joined by CRLF, without the last one.
"""

OWN_ID = "mx.example.org"

FORGED_BY_NAME: dict[str, bytes] = {
    # the authserv-id, in every spelling of RFC 8601 §2.2
    "plain": b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example",
    "no blank after the colon": b"Authentication-Results:mx.example.org; dmarc=pass header.from=bank.example",
    "tab after the colon": b"Authentication-Results:\tmx.example.org; dmarc=pass header.from=bank.example",
    "many blanks": b"Authentication-Results:     mx.example.org   ;   dmarc=pass   header.from=bank.example",
    "id in capitals": b"Authentication-Results: MX.EXAMPLE.ORG; dmarc=pass header.from=bank.example",
    "id in mixed case": b"Authentication-Results: Mx.eXample.Org; spf=pass smtp.mailfrom=bank.example",
    "id quoted": b'Authentication-Results: "mx.example.org"; dkim=pass header.d=bank.example',
    "id quoted with version": b'Authentication-Results: "mx.example.org" 1; spf=pass smtp.mailfrom=bank.example',
    "quoted pair in the id": b'Authentication-Results: "mx\\.example.org"; dkim=pass header.d=bank.example',
    "every octet a quoted pair": b'Authentication-Results: "\\m\\x\\.\\e\\x\\a\\m\\p\\l\\e\\.\\o\\r\\g"; dmarc=pass',
    "quoted id in capitals": b'Authentication-Results: "MX.Example.ORG"; dkim=pass header.d=bank.example',
    "blanks within the quotes": b'Authentication-Results: " mx.example.org "; dmarc=pass header.from=bank.example',
    "fold within the quotes": b'Authentication-Results: "mx.\r\n example.org"; dmarc=pass header.from=bank.example',
    "Punycode of plain ASCII": b"Authentication-Results: xn--mx-.example.org; dmarc=pass header.from=bank.example",
    "trailing dot": b"Authentication-Results: mx.example.org.; dmarc=pass header.from=bank.example",
    "trailing dots, quoted": b'Authentication-Results: "mx.example.org.."; dmarc=pass header.from=bank.example',
    "version": b"Authentication-Results: mx.example.org 1; dmarc=pass header.from=bank.example",
    "version with zeros": b"Authentication-Results: mx.example.org 0001; dmarc=pass header.from=bank.example",
    "comment before the id": b"Authentication-Results: (hello) mx.example.org; dmarc=pass header.from=bank.example",
    "comment after the id": b"Authentication-Results: mx.example.org (hello); dmarc=pass header.from=bank.example",
    "comment without blanks": b"Authentication-Results:(a)mx.example.org(b);(c)dmarc=pass header.from=bank.example",
    "nested comments": b"Authentication-Results: (a(b(c)d)e) mx.example.org; dmarc=pass header.from=bank.example",
    "comment with a semicolon": b"Authentication-Results: (a;b) mx.example.org; dmarc=pass header.from=bank.example",
    "comment with a quoted pair": b"Authentication-Results: (a\\)b) mx.example.org; dmarc=pass",
    "comment with a quote": b'Authentication-Results: (") mx.example.org (");dmarc=pass header.from=bank.example',
    "comment around the version": b"Authentication-Results: mx.example.org (v) 1 (w); dmarc=pass",
    "comment that names another": b"Authentication-Results: (mail.example.net;) mx.example.org; dmarc=pass",
    "id in a comment before another": b"Authentication-Results: (mx.example.org) mail.example.net; dmarc=pass",
    "id in a comment after another": b"Authentication-Results: mail.example.net (mx.example.org); dmarc=pass",
    "id quoted in a comment": b"Authentication-Results: mail.example.net (MX\\.example.org); dmarc=pass",
    # folding
    "folded before the id": b"Authentication-Results:\r\n mx.example.org; dmarc=pass header.from=bank.example",
    "folded with a tab": b"Authentication-Results:\r\n\tmx.example.org;\r\n\tdmarc=pass header.from=bank.example",
    "folded before the semicolon": b"Authentication-Results: mx.example.org\r\n ; dmarc=pass header.from=bank.example",
    "folded everywhere": b"Authentication-Results:\r\n mx.example.org\r\n ;\r\n dmarc\r\n =\r\n pass",
    "folded within a comment": b"Authentication-Results: (a\r\n b) mx.example.org; dmarc=pass",
    "folded after a blank line of blanks": b"Authentication-Results: \r\n \r\n mx.example.org; dmarc=pass",
    # the name of the field
    "name in lower case": b"authentication-results: mx.example.org; dmarc=pass header.from=bank.example",
    "name in capitals": b"AUTHENTICATION-RESULTS: mx.example.org; dmarc=pass header.from=bank.example",
    "name in mixed case": b"aUtHeNtIcAtIoN-rEsUlTs: mx.example.org; dmarc=pass header.from=bank.example",
    "blank before the colon": b"Authentication-Results : mx.example.org; dmarc=pass header.from=bank.example",
    "tab before the colon": b"Authentication-Results\t: mx.example.org; dmarc=pass header.from=bank.example",
    "many blanks before the colon": b"Authentication-Results  \t  : mx.example.org; dmarc=pass",
    # what is said
    "none": b"Authentication-Results: mx.example.org; none",
    "none, twice the semicolon": b"Authentication-Results: mx.example.org; none;",
    "all methods": b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=bank.example;\r\n"
    b" dkim=pass header.d=bank.example; arc=pass; dmarc=pass header.from=bank.example",
    "with a reason": b'Authentication-Results: mx.example.org; dkim=pass reason="good" header.d=bank.example',
    "method version": b"Authentication-Results: mx.example.org; dkim/1=pass header.d=bank.example",
    "unknown method": b"Authentication-Results: mx.example.org; x-trust=pass",
    "fail, to hide ours": b"Authentication-Results: mx.example.org; dmarc=fail header.from=bank.example",
    # broken in a way that some reader forgives
    "no semicolon": b"Authentication-Results: mx.example.org dmarc=pass header.from=bank.example",
    "no result": b"Authentication-Results: mx.example.org",
    "no result after the semicolon": b"Authentication-Results: mx.example.org;",
    "comma for semicolon": b"Authentication-Results: mx.example.org, dmarc=pass header.from=bank.example",
    "colon for semicolon": b"Authentication-Results: mx.example.org: dmarc=pass header.from=bank.example",
    "slash and version": b"Authentication-Results: mx.example.org/1; dmarc=pass header.from=bank.example",
    "version 2": b"Authentication-Results: mx.example.org 2; dmarc=pass header.from=bank.example",
    "version of another, unknown": b"Authentication-Results: mail.example.net 99; dmarc=pass header.from=bank.example",
    "version that is a word": b"Authentication-Results: mx.example.org v1; dmarc=pass header.from=bank.example",
    "semicolon within the quotes": b'Authentication-Results: "mx.example.org;"; dmarc=pass header.from=bank.example',
    "result within the quotes": b'Authentication-Results: "mx.example.org; dmarc=pass"; none',
    "single quotes": b"Authentication-Results: 'mx.example.org'; dmarc=pass header.from=bank.example",
    "open quote": b'Authentication-Results: "mx.example.org; dmarc=pass header.from=bank.example',
    "closing quote alone": b'Authentication-Results: mx.example.org"; dmarc=pass header.from=bank.example',
    "open comment": b"Authentication-Results: mx.example.org; dmarc=pass (header.from=bank.example",
    "closing parenthesis alone": b"Authentication-Results: mx.example.org); dmarc=pass header.from=bank.example",
    "comment within the id": b"Authentication-Results: mx.(hello)example.org; dmarc=pass header.from=bank.example",
    "blank within the id": b"Authentication-Results: mx. example.org; dmarc=pass header.from=bank.example",
    "angle brackets": b"Authentication-Results: <mx.example.org>; dmarc=pass header.from=bank.example",
    "square brackets": b"Authentication-Results: [mx.example.org]; dmarc=pass header.from=bank.example",
    "at sign": b"Authentication-Results: @mx.example.org; dmarc=pass header.from=bank.example",
    "semicolon first": b"Authentication-Results: ; mx.example.org; dmarc=pass header.from=bank.example",
    "no id": b"Authentication-Results: dmarc=pass header.from=bank.example",
    "no id, semicolon first": b"Authentication-Results: ; dmarc=pass header.from=bank.example",
    "empty": b"Authentication-Results: ",
    "empty id": b'Authentication-Results: ""; dmarc=pass header.from=bank.example',
    "only a comment": b"Authentication-Results: (mx.example.org; dmarc=pass)",
    "encoded word": b"Authentication-Results: =?us-ascii?q?mx=2Eexample=2Eorg?=; dmarc=pass",
    "encoded word in base64": b"Authentication-Results: =?utf-8?b?bXguZXhhbXBsZS5vcmc=?=; dmarc=pass",
    "percent-encoded": b"Authentication-Results: mx%2Eexample%2Eorg; dmarc=pass header.from=bank.example",
    "8-bit, not UTF-8": b"Authentication-Results: mx.example.org\xff; dmarc=pass header.from=bank.example",
    "8-bit, no-break space": b"Authentication-Results: \xc2\xa0mx.example.org; dmarc=pass header.from=bank.example",
    "zero-width space": b"Authentication-Results: mx.exam\xe2\x80\x8bple.org; dmarc=pass header.from=bank.example",
    "variation selector": b"Authentication-Results: mx.example.org\xef\xb8\x8f; dmarc=pass header.from=bank.example",
    "grapheme joiner": b"Authentication-Results: m\xcd\x8fx.example.org; dmarc=pass header.from=bank.example",
    "full-width letters": "Authentication-Results: ｍｘ.example.org; dmarc=pass header.from=bank.example".encode(),
    "ideographic full stop": "Authentication-Results: mx。example.org; dmarc=pass header.from=bank.example".encode(),
    "control in the id": b"Authentication-Results: mx.example\x01.org; dmarc=pass header.from=bank.example",
    "backspace": b"Authentication-Results: x\x08mx.example.org; dmarc=pass header.from=bank.example",
    "escape sequence": b"Authentication-Results: \x1b[2Kmx.example.org; dmarc=pass header.from=bank.example",
    "form feed": b"Authentication-Results:\x0cmx.example.org; dmarc=pass header.from=bank.example",
    "bare CR in the id": b"Authentication-Results: mail.example.net\r mx.example.org; dmarc=pass",
    "garbage after a good start": b"Authentication-Results: a.example; spf=pass ===; mx.example.org; dmarc=pass",
    # a field inside a field, for readers that take a continuation line for a new one
    "on a continuation line": b"X-Note: hello\r\n Authentication-Results: mx.example.org; dmarc=pass",
    # inbound copies of our other field
    "breach note": b"Sender-Breach-Info: mx.example.org; result=listed; source=haveibeenpwned.com",
    "breach note by another": b"sender-breach-info : mail.example.net; result=not-listed",
}

_AR, _OURS = "Authentication-Results", "mx.example.org; dmarc=pass"
# what ends a line for readers who know more line ends than CRLF, such as Python's str.splitlines()
_LINE_ENDS = {
    "VT": b"\x0b", "FF": b"\x0c", "FS": b"\x1c", "GS": b"\x1d", "RS": b"\x1e", "US": b"\x1f", "NEL": b"\xc2\x85",
    "octet 0x85": b"\x85", "U+2028": b"\xe2\x80\xa8", "U+2029": b"\xe2\x80\xa9", "SOH": b"\x01",
}  # fmt: skip
for _name, _end in _LINE_ENDS.items():
    for _field in ("X-Note", "Subject", "Received", "DKIM-Signature", "ARC-Seal"):
        FORGED_BY_NAME[f"behind {_name} in {_field}"] = b"%b: hello%b%b: %b" % (
            _field.encode(), _end, _AR.encode(), _OURS.encode()
        )  # fmt: skip
    FORGED_BY_NAME[f"behind {_name} and blanks"] = b"X-Note: hello%b \t authentication-results : mx.example.org" % _end
    FORGED_BY_NAME[f"behind {_name}, folded"] = (
        b"X-Note: hello%bAuthentication-Results:\r\n mx.example.org; none" % _end
    )
# tag lists name header fields, and a line of them may be one
for _field in (
    "DKIM-Signature", "ARC-Message-Signature", "ARC-Seal", "ARC-Authentication-Results", "DomainKey-Signature",
    "X-Google-DKIM-Signature",
):  # fmt: skip
    for _name, _value in {
        "a tag": f"v=1;\r\n {_AR}: {_OURS}",
        "h=": f"v=1; h=from:to:\r\n\t{_AR}: {_OURS}",
        "a comment with a semicolon": f"v=1;\r\n {_AR}: (a;b) {_OURS}",
    }.items():
        FORGED_BY_NAME[f"{_name} of {_field}"] = f"{_field}: {_value}".encode()
# an id that is ours once what is not ASCII is dropped or folded, in a field of its own and in another
for _name, _id in {
    "full-width": "ｍｘ．ｅｘａｍｐｌｅ．ｏｒｇ", "mathematical": "𝐦𝐱.example.org",
    "a letter to drop": "mx.exaämple.org", "a letter to drop in front": "ämx.example.org",
    "a letter to drop at the end": "mx.example.orgж",
    "a letter to fold": "mx.éxample.org", "a combining letter": "mx.example.o\u0308rg",
    "long s": "mx.example.org\u017f",
    "zero-width joiner": "mx.ex\u200dample.org", "soft hyphen": "mx.\u00adexample.org", "quoted": '"mx.exaämple.org"',
    "ideographic dots": "mx。example。org", "full-width semicolon": "mx.example.org；",
    "in a comment": "mail.example.net (mx.exaжmple.org)", "in a comment before": "(mx.exaжmple.org) mail.example.net",
}.items():  # fmt: skip
    FORGED_BY_NAME[f"id, {_name}"] = f"{_AR}: {_id}; dmarc=pass".encode()
    FORGED_BY_NAME[f"id on a continuation line, {_name}"] = f"X-Note: a\r\n {_AR}: {_id}; dmarc=pass".encode()
for _name, _id in {
    "quoted pair": r"m\x.example.org", "quoted": '"mx.example.org"', "comment within": "mx.(a)example.org",
    "comment before": "(a;b) mx.example.org", "capitals": "MX.EXAMPLE.ORG", "folded": "\r\n mx.example.org",
    "encoded word": "=?utf-8?q?mx=2Eexample=2Eorg?=", "percent-encoded": "mx%2Eexample.org",
}.items():  # fmt: skip
    FORGED_BY_NAME[f"id on a continuation line, {_name}"] = f"X-Note: a\r\n {_AR}: {_id}; dmarc=pass".encode()
FORGED_BY_NAME |= {
    # decoding first
    "encoded word, quoted": b'Authentication-Results: "=?utf-8?q?mx=2Eexample=2Eorg?="; none',
    "encoded word in a comment": b"Authentication-Results: (=?utf-8?q?=29mx.example.org;_dmarc=3Dpass_=28?=) a.example;"
    b" none",
    "line end in Q": b"Subject: =?utf-8?q?hello=0AAuthentication-Results:_mx.example.org;_dmarc=3Dpass?=",
    "line end in B": b"Subject: =?utf-8?b?aGVsbG8NCkF1dGhlbnRpY2F0aW9uLVJlc3VsdHM6IG14LmV4YW1wbGUub3Jn"
    b"OyBkbWFyYz1wYXNz?=",
    "line end in UTF-7": b"Subject: =?utf-7?q?hello+AAo-Authentication-Results:_mx.example.org;_dmarc=3Dpass?=",
    "encoded word for a name": b"=?utf-8?q?Authentication-Results?=: mx.example.org; dmarc=pass",
    "encoded word for a name, B": b"=?utf-8?b?QXV0aGVudGljYXRpb24tUmVzdWx0cw==?=: mx.example.org; dmarc=pass",
    "line end in a word in a word": b"Subject: =?utf-8?q?x=?utf-8?b?DQpBdXRoZW50aWNhdGlvbi1SZXN1bHRzOiBteC5leGFtcGxl"
    b"Lm9yZzsgZG1hcmM9cGFzcw==?=",
    "line end in a word in a word, in From": b'From: "=?utf-8?q?x=?utf-8?b?DQpBdXRoZW50aWNhdGlvbi1SZXN1bHRzOiBteC5l'
    b'eGFtcGxlLm9yZzsgZG1hcmM9cGFzcw==?=" <a@attack.example>',
    "encoded word for a part of a name": b"=?utf-8?q?Auth?=entication-Results: mx.example.org; dmarc=pass",
    "a long name of encoded words": b"%b=?utf-8?q?Auth?=entication-Results: mx.example.org; dmarc=pass"
    % (b"=?utf-8?q?=E2=80=8B?=" * 30),
    # RFC 5322 §2.1.1: Postfix breaks lines over 998 octets when it delivers them
    "behind octet 998": b"X-Note:%bAuthentication-Results: mx.example.org; dmarc=pass" % (b"x" * 991),
    "behind octet 998 of blanks": b"X-Note:%bAuthentication-Results: mx.example.org; dmarc=pass" % (b" " * 991),
    "behind octet 1995": b"X-Note:%bAuthentication-Results: mx.example.org; dmarc=pass" % (b"x" * (991 + 997)),
    "behind octet 998 of a fold": b"X-Note: y\r\n %bAuthentication-Results: mx.example.org; none" % (b"x" * 997),
    "behind octet 998 of a signature": b"DKIM-Signature: v=1;%bAuthentication-Results: mx.example.org; none"
    % (b"x" * (998 - 20)),
    "a name over 998 octets": b"%bAuthentication-Results: mx.example.org; dmarc=pass" % (b"X" * 998),
    "id up to octet 998": b"Authentication-Results:%bmx.example.org.example.net; dmarc=pass" % (b" " * (998 - 37)),
    "id up to octet 998 of a fold": b"Authentication-Results:\r\n%bmx.example.org.example.net; none" % (b" " * 984),
}
for _name, _end in {**_LINE_ENDS, "a fold": b"\r\n "}.items():
    for _how, _word in {
        "a part": "=?utf-8?q?Auth?=entication-Results",
        "a part in the middle": "Auth=?utf-8?b?ZW50aWNhdGk=?=on-Results",
        "full-width letters": "=?utf-8?q?Ａｕ?=thentication-Results",
        "the end": "Authentication-Resul=?utf-8?q?ts:?=",
        "twice encoded": "=?utf-8?b?PT91dGYtOD9xP0F1dGg/PQ==?=entication-Results",
        "EBCDIC": "=?ibm297?b?waSjiA==?=entication-Results",
        "UTF-7": "=?x-nobody?q?+AEE-?=uthentication-Results",
        "UTF-16 without a mark": "=?utf-16?b?AEEAdQ==?=thentication-Results",
        "x-u16": "=?x-u16?b?AEE=?=uthentication-Results",
        "two charsets": "=?utf-8?q?Authent?==?latin1?q?ication-Results?=",
    }.items():
        FORGED_BY_NAME[f"{_how} of a name behind {_name}"] = (
            b"Subject: x" + _end + f"{_word}: mx.example.org; dmarc=pass".encode()
        )

FORGED: list[bytes] = list(FORGED_BY_NAME.values())

# For readers to whom a bare CR ends a line. Not in FORGED, as Postfix itself (3.9, and Debian's 3.7) makes a blank
# of the CR before a milter is asked, and then these fields only talk about ours.
BEHIND_CR: list[bytes] = [
    b"X-Note: hello\rAuthentication-Results: mx.example.org; dmarc=pass header.from=bank.example",
    b"X-Note: hello\r \tauthentication-results : mx.example.org; dmarc=pass",
    b"X-Note: hello\r\x0bAuthentication-Results: mx.example.org; dmarc=pass",
    b"X-Note: hello\rAuthentication\xc2\xad-Results\xa0: mx.example.org; dmarc=pass",
]

HARMLESS: list[bytes] = [
    b"Authentication-Results: mail.example.net; dmarc=pass header.from=bank.example",
    b"Authentication-Results: mail.example.net; none",
    b"Authentication-Results: mail.example.net 1; spf=pass smtp.mailfrom=bank.example",
    b'Authentication-Results: "mail.example.net"; dkim=pass header.d=bank.example',
    b"Authentication-Results: (one) mail.example.net (two); dkim=pass (1024-bit key) header.d=bank.example",
    b"Authentication-Results: example.org; spf=pass smtp.mailfrom=example.org",
    b"Authentication-Results: mx2.example.org; spf=fail smtp.mailfrom=example.org",
    b"Authentication-Results: xmx.example.org; spf=fail smtp.mailfrom=example.org",
    b"Authentication-Results: mx.example.org.example.net; spf=fail smtp.mailfrom=example.org",
    b"Authentication-Results: sub.mx.example.org; spf=fail smtp.mailfrom=example.org",
    b"Authentication-Results: mx-example-org; spf=fail smtp.mailfrom=example.org",
    b"Authentication-Results: mx.example.com;\r\n\tspf=pass (sender is mx.example.org) smtp.mailfrom=example.org;\r\n"
    b'\tdkim=pass reason="ok; good" header.d=example.org header.b="aB/c+dE="',
    b"Authentication-Results: mx.google.com;\r\n"
    b"       dkim=pass header.i=@example.org header.s=s1 header.b=nK0uEU5n;\r\n"
    b"       spf=pass (google.com: domain of bounce@example.org designates 192.0.2.1 as permitted sender)"
    b" smtp.mailfrom=bounce@example.org;\r\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=example.org",
    b"authentication-results: smtp.example.net; auth=pass smtp.auth=someone smtp.mailfrom=someone@example.net",
    b"AUTHENTICATION-RESULTS: mail.example.net; iprev=pass policy.iprev=192.0.2.7 (host.example.net)",
    b"Authentication-Results: mail.example.net; iprev=pass policy.iprev=2001:db8::7; spf=none",
    b"Authentication-Results: mail.example.net; dkim=pass header.d=example.org; dkim=fail header.d=example.com;",
    b"Authentication-Results: mail.example.net; x-spam=low policy.level=3; bimi=skipped (no record)",
    b"Authentication-Results: mail.example.net;\r\n"
    b"\tdmarc=pass action=none header.from=example.org;compauth=pass reason=100",
    "Authentication-Results: müller.example; spf=pass smtp.mailfrom=jürgen@müller.example".encode(),
    b"Authentication-Results: mail.example.net; dkim=pass (2048-bit key; secure) header.d=example.org\r\n"
    b" header.i=@example.org header.a=rsa-sha256 header.s=s1 header.b=AbCdEfGh;\r\n arc=none smtp.remote-ip=192.0.2.7",
    b"ARC-Authentication-Results: i=1; mx.example.org; spf=pass smtp.mailfrom=example.org",
    b"X-Authentication-Results: mx.example.org; dmarc=pass",
    b"Authentication-Results-Original: mx.example.org; dmarc=pass",
    b"Old-Authentication-Results: mx.example.org; dmarc=pass",
    b"X-Note: see Authentication-Results: mx.example.org; dmarc=pass",
    b"Subject: Authentication-Results: mx.example.org; dmarc=pass",
    # what looks like one of the above
    b"DKIM-Signature: v=1; d=mx.example.org; h=from:to:\r\n Authentication-Results:\r\n subject; b=xx",
    b"ARC-Message-Signature: i=1; h=from:\r\n\tauthentication-results:to; d=mx.example.org; b=xx",
    b"DKIM-Signature: v=1; h=to:\r\n from:\r\n sender-breach-info; d=mx.example.org; b=xx",
    b"Subject: Re: the draft\r\n Authentication-Results: how to read it",
    b"Subject: =?utf-8?q?Authentication-Results:_mx.example.org?=",
    b"Subject: =?utf-8?q?a=0Ab?=",
    b"Subject: =?iso-2022-jp?b?GyRCOzNFRBsoQg==?=",
    "Authentication-Results: почта.example; spf=pass smtp.mailfrom=a@почта.example".encode(),
    "Authentication-Results: müller.example; spf=pass (see mx.example.org) smtp.mailfrom=j@müller.example".encode(),
    "Subject: Å Authentication-Results: mail.example.net; none".encode(),
    "X-Note: a\u2028b\u0085c Authentication-Results: mx.example.org; dmarc=pass".encode(),
]

# As a milter is shown them: Postfix breaks them later.
HARMLESS_LONG: list[bytes] = [
    b"X-Note: %b" % (b"x" * 5000),
    b"X-Note: %b Authentication-Results: mx.example.org; dmarc=pass" % (b"x" * 1200),
    b"References: %b" % (b"<a@example.org> " * 200),
    b"Authentication-Results: mail.example.net; %b" % b"; ".join([b"dkim=pass header.d=example.org"] * 60),
    b"DKIM-Signature: v=1; d=mx.example.org; h=%bauthentication-results:from; b=xx" % (b"to:" * 320),
]
