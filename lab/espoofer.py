"""espoofer – the 22 attacks of "Composition Kills" (USENIX Security 2020) as data.

What each does is taken from the test cases of github.com/chenjj/espoofer (MIT); the messages are ours.
`attack.example` is the attacker's, whose SPF and DKIM are in order; `legitimate.example` is the spoofed domain,
`example.com` the provider in whose name an attacker logs in. None may end in an aligned pass for `spoofed`.
"""

import base64
from typing import NamedTuple

ATTACKER_IP = "192.0.2.66"


class Attack(NamedTuple):
    name: str
    idea: str
    helo: str
    mail_from: str  # as in the SMTP command, without the angle brackets
    header: bytes  # the fields that matter, CRLF line ends
    spoofed: str = "legitimate.example"
    signed_as: tuple[bytes, bytes] | None = None  # d= and s= of the signature the attacker makes

    @property
    def raw(self) -> bytes:
        """The message as it is sent; a signature, if one is to be made, is not in it."""
        return (
            self.header + b"To: <victim@victim.example>\r\nSubject: " + self.name.encode() + b"\r\n"
            b"Date: Mon, 23 Nov 2026 06:00:00 +0000\r\nMessage-ID: <" + self.name.encode() + b"@attack.example>\r\n"
            b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nBest wishes.\r\n"
        )


_ANY = "any@attack.example"
_ADMIN = b"From: <admin@legitimate.example>\r\n"
_SENDER = b"Sender: <s@sender.legitimate.example>\r\n"
_ENCODED = b"=?utf-8?B?" + base64.b64encode(b"<admin@legitimate.example>") + b"?="

ATTACKS: tuple[Attack, ...] = (
    Attack("server_a1", "a subdomain that does not exist in MAIL FROM", "helo.attack.example",
           "any@mailfrom.notexist.legitimate.example", _ADMIN),
    Attack("server_a2", "a MAIL FROM that some read as empty", "attack.example", "(any@legitimate.example", _ADMIN),
    Attack("server_a3", "NUL in the selector cuts the name of the key", "33.attack.example", "any@33.attack.example",
           _ADMIN, signed_as=(b"legitimate.example", b"selector._domainkey.attack.example.\x00.any")),
    Attack("server_a4", "a quote in d= breaks out of the result", "attack.example", _ANY,
           _ADMIN, signed_as=(b"legitimate.example'a.attack.example", b"selector")),
    Attack("server_a5", "a parenthesis in MAIL FROM opens a comment", "attack.example",
           "any@legitimate.example(a.attack.example", _ADMIN),
    Attack("server_a6", "a quote in MAIL FROM", "attack.example", "any@legitimate.example'@any.attack.example", _ADMIN),
    Attack("server_a7", "a route address in MAIL FROM", "attack.example",
           "@legitimate.example,@any.example:'any@attack.example", _ADMIN),
    Attack("server_a8", "two From fields", "attack.example", _ANY, b"From: <first@attack.example>\r\n" + _ADMIN),
    Attack("server_a9", "a blank before the first From", "attack.example", _ANY,
           b" From: <first@attack.example>\r\n" + _ADMIN),
    Attack("server_a10", "a blank after the second From", "attack.example", _ANY,
           b"From: <first@attack.example>\r\nFrom : <admin@legitimate.example>\r\n"),
    Attack("server_a11", "the name of the first From folded", "attack.example", _ANY,
           b"From\r\n : <first@attack.example>\r\n" + _ADMIN),
    Attack("server_a12", "a folded From, and a Sender", "attack.example", _ANY,
           b"From\r\n : <first@attack.example>\r\nSender: <admin@legitimate.example>\r\n"),
    Attack("server_a13", "a folded From, and a Resent-From", "attack.example", _ANY,
           b"From\r\n : <first@attack.example>\r\nResent-From: <admin@legitimate.example>\r\n"),
    Attack("server_a14", "two addresses in one From", "attack.example", _ANY,
           b"From: <first@attack.example>, <admin@legitimate.example>\r\n" + _SENDER),
    Attack("server_a15", "an address in an encoded word", "attack.example", _ANY,
           b"From:" + _ENCODED + b",<second@attack.example>\r\n" + _SENDER),
    Attack("server_a16", "a route address in From", "attack.example", _ANY,
           b"From: <@attack.example,@any.example:admin@legitimate.example>\r\n" + _SENDER),
    Attack("server_a17", "a quoted comma between two addresses", "attack.example", _ANY,
           b"From: <admin@legitimate.example>\\,<second@attack.example>\r\n" + _SENDER),
    Attack("server_a18", "a bare address before one in angle brackets", "attack.example", _ANY,
           b"From: admin@legitimate.example,<second@attack.example>\r\n" + _SENDER),
    Attack("server_a19", "an address after the angle brackets", "attack.example", _ANY,
           b"From: <any@attack.example>admin@legitimate.example\r\n" + _SENDER),
    Attack("client_a1", "two From fields from a provider's user", "client.attack.example", "attacker@example.com",
           b"From: <attacker@example.com>\r\nFrom: <admin@example.com>\r\n", "example.com"),
    Attack("client_a2", "two addresses in From from a provider's user", "client.attack.example", "attacker@example.com",
           b"From: <attacker@example.com>, <admin@example.com>\r\n" + _SENDER, "example.com"),
    Attack("client_a3", "another user of the same provider", "client.attack.example", "attacker@example.com",
           b"From: <admin@example.com>\r\n", "example.com"),
)  # fmt: skip

# Within one domain nobody but its owner can tell the users apart: DMARC is about domains (RFC 9989 §1), and these
# are the submission server's to refuse. An aligned pass for them is right.
SAME_DOMAIN = frozenset(("client_a2", "client_a3"))
