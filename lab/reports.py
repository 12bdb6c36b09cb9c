"""reports – the verdicts on made-up messages: one plain Report, and a hypothesis strategy for any Report."""

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
SECURE = st.sampled_from([True, False, None])
REPORTS = st.builds(
    v.Report,
    iprev=st.none()
    | st.builds(
        v.IprevVerdict, result=st.sampled_from(v.IprevResult), address=EVERYTHING, secure=SECURE, problem=EVERYTHING
    ),
    spf=st.none()
    | st.builds(
        v.SpfVerdict,
        result=st.sampled_from(v.SpfResult),
        identity=st.just(v.SpfIdentity.MAILFROM),
        domain=EVERYTHING,
        mechanism=EVERYTHING,
        secure=SECURE,
        problem=EVERYTHING,
    ),
    null_sender=st.booleans(),
    spf_helo=st.none()
    | st.builds(
        v.SpfVerdict,
        result=st.sampled_from(v.SpfResult),
        identity=st.just(v.SpfIdentity.HELO),
        domain=EVERYTHING,
        problem=EVERYTHING,
    ),
    dkim=st.lists(
        st.builds(
            v.DkimVerdict,
            result=st.sampled_from(v.DkimResult),
            domain=EVERYTHING,
            selector=EVERYTHING,
            identity=EVERYTHING,
            algorithm=EVERYTHING,
            signature_prefix=EVERYTHING,
            key_bits=st.integers(0, 8192),
            secure=SECURE,
            problem=EVERYTHING,
        ),
        max_size=14,
    ).map(tuple),
    arc=st.none()
    | st.builds(
        v.ArcVerdict,
        result=st.sampled_from(v.ArcResult),
        oldest_pass=st.none() | st.integers(0, 50),
        problem=EVERYTHING,
    ),
    dmarc=st.none()
    | st.builds(
        v.DmarcVerdict,
        result=st.sampled_from(v.DmarcResult),
        author_domain=EVERYTHING,
        published=st.none() | st.sampled_from(v.Policy),
        requested=st.sampled_from(v.Policy),
        testing=st.booleans(),
        secure=SECURE,
        problem=EVERYTHING,
    ),
    auth=st.none() | st.builds(v.AuthVerdict, result=st.sampled_from(v.AuthResult), domain=EVERYTHING),
    remote_ip=EVERYTHING,
)


def seen(text: str) -> str:
    """Return a text as it is shown in a value of our field."""
    return "".join("?" if c in ' "();\\' or not " " <= c <= "~" else c for c in text)
