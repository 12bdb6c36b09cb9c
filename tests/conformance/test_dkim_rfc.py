"""The signed messages and the canonical forms that the RFCs print."""

import pytest

from lab.sealer import Mail
from lab.signer import judged
from lab.zone import Zone
from mailvet.checks.dkim.header_forms import relaxed_field, simple_field
from mailvet.message import Field
from mailvet.syntax import mailfile
from mailvet.verdict import DkimResult

RSA_2003 = (
    b"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3F"
    b"utACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)
RFC8463_A2 = Zone(
    {
        "brisbane._domainkey.football.example.com": {
            "TXT": [b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]
        },
        "test._domainkey.football.example.com": {"TXT": [b"v=DKIM1; k=rsa; p=" + RSA_2003]},
    }
)
RFC8463_A3 = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""
RFC6376_C = Zone(
    {
        "brisbane._domainkey.example.com": {
            "TXT": [
                b"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFC"
                b"jxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBc"
                b"WToIMmPSPDdQPNUYckcQ2QIDAQAB"
            ]
        }
    }
)
RFC6376_A2 = b"""\
DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
      4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game. Are you hungry yet?

Joe.
"""


def mail_of(data: bytes) -> Mail:
    found = mailfile.parse(data)
    return Mail(found.fields, found.body)


def test_rfc_8463_appendix_a() -> None:
    """Both signatures of the one message."""
    found = judged(mail_of(RFC8463_A3), RFC8463_A2)
    assert [(each.result, each.algorithm, each.key_bits) for each in found] == [
        (DkimResult.PASS, "ed25519-sha256", 256),
        (DkimResult.PASS, "rsa-sha256", 1024),
    ]


def test_rfc_6376_appendix_a() -> None:
    (found,) = judged(mail_of(RFC6376_A2), RFC6376_C)
    assert (found.result, found.domain, found.identity) == (
        DkimResult.PASS,
        "example.com",
        "@football.example.com",
    )
    assert found.signature_prefix == "AuUoFEfD"


@pytest.mark.parametrize("line", [line for line in RFC8463_A3.partition(b"From:")[2].split(b"\n") if line])
def test_no_line_of_the_message_may_change(line: bytes) -> None:
    """Header fields and body of RFC 8463 A.3, which both signatures cover."""
    found = judged(mail_of(RFC8463_A3.replace(line, line + b"~")), RFC8463_A2)
    assert [each.result for each in found] == [DkimResult.FAIL] * 2


@pytest.mark.parametrize(
    ("field", "simple", "relaxed"),
    [
        pytest.param(Field(b"A", b" X"), b"A: X\r\n", b"a:X\r\n", id="RFC 6376 §3.4.5, A"),
        pytest.param(Field(b"B ", b" Y\t\n\tZ  "), b"B : Y\t\r\n\tZ  \r\n", b"b:Y Z\r\n", id="RFC 6376 §3.4.5, B"),
    ],
)
def test_canonical_forms_of_rfc_6376(field: Field, simple: bytes, relaxed: bytes) -> None:
    assert (simple_field(field), relaxed_field(field)) == (simple, relaxed)
