"""reports – the verdicts on made-up messages: one plain Report, and a hypothesis strategy for any Report."""

import dataclasses
import enum
import typing
from typing import Any

from hypothesis import strategies as st

from mailvet import verdict as v

MX = "mx.example.org"
REPORT = v.Report(
    iprev=v.IprevVerdict(result=v.IprevResult.PASS, address="203.0.113.7", name="mail.example.com"),
    spf=v.SpfVerdict(result=v.SpfResult.PASS, identity=v.SpfIdentity.MAILFROM, domain="example.com"),
    spf_helo=v.SpfVerdict(result=v.SpfResult.NONE, identity=v.SpfIdentity.HELO, domain="mail.example.com"),
    dkim=(
        v.DkimVerdict(
            result=v.DkimResult.PASS,
            domain="example.com",
            selector="s1",
            identity="@example.com",
            algorithm="rsa-sha256",
            signature_prefix="AbCdEfGh",
            key_bits=2048,
            secure=True,
        ),
    ),
    arc=v.ArcVerdict(result=v.ArcResult.NONE),
    dmarc=v.DmarcVerdict(result=v.DmarcResult.PASS, author_domain="example.com", published=v.Policy.REJECT),
    remote_ip="203.0.113.7",
)

EVERYTHING = st.text(st.characters(codec=None), max_size=60)


def of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Return any value of a field's type: any text at all, any number that a count may have, any verdict."""
    inner = typing.get_args(kind)
    if type(None) in inner:
        return st.none() | st.one_of([of_type(each) for each in inner if each is not type(None)])
    if typing.get_origin(kind) is tuple:
        return st.lists(of_type(inner[0]), max_size=14).map(tuple)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return st.builds(kind, **{field.name: of_type(field.type) for field in dataclasses.fields(kind)})
    if issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    return {bool: st.booleans(), int: st.integers(0, 8192), str: EVERYTHING}[kind]


REPORTS: st.SearchStrategy[v.Report] = st.builds(
    v.Report,
    **{
        field.name: of_type(field.type)
        for field in dataclasses.fields(v.Report)
        if field.name in (*v.METHODS, "null_sender", "remote_ip")
    },
)


def seen(text: str) -> str:
    """Return a text as it is shown in a value of our field."""
    return "".join("?" if c in ' "();\\' or not " " <= c <= "~" else c for c in text)
