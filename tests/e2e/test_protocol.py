"""What no MTA should say, said to the milter socket: the message is accepted and gets its verdicts."""

from collections.abc import Iterator

import pytest

from lab import world
from lab.mail_system import Lab
from lab.milterclient import MilterClient
from lab.wait import until

PASSING = world.signed(world.letter("<a@signed.example>"), b"signed.example")


@pytest.fixture
def client(lab: Lab) -> Iterator[MilterClient]:
    with MilterClient(lab.daemons["enforce"].socket) as client:
        yield client


@pytest.mark.parametrize("name", [b"X-\xe9", b"\xff\xfe", b"\xc3\xa4\xc3", b"Fr\xf6m", b"X-\xc3\xa9"])
def test_a_field_name_that_is_not_ascii(client: MilterClient, name: bytes) -> None:
    client.connect(world.HOST)
    forged = b"Authentication-Results: mx.example.org; dmarc=pass\r\n"
    for _ in range(2):  # again: nothing is left in a bad state
        answer = client.message(b"a@signed.example", name + b": hello\r\n" + forged + PASSING)
        assert answer.accepted
        assert answer.deleted == [(1, "Authentication-Results")]
        assert [insert[:2] for insert in answer.inserted] == [(0, "Authentication-Results")]
        assert "dmarc=pass (" in answer.inserted[0][2]


@pytest.mark.parametrize("helo", [b"caf\xe9.example", b"\xff\xfe", b"", b"a" * 1000, b"[192.0.2.10]", b"\x1b[2K"])
def test_a_helo_that_is_no_name(client: MilterClient, helo: bytes) -> None:
    client.connect(world.HOST, helo=helo)
    answer = client.message(b"a@signed.example", PASSING)
    assert answer.accepted
    assert "dmarc=pass (" in answer.inserted[0][2]


def test_a_host_name_that_is_not_ascii(client: MilterClient) -> None:
    """The address comes with it, and is lost with it: this is not a trusted client then."""
    client.connect(world.HOST, name=b"h\xff.example")
    answer = client.message(b"a@signed.example", PASSING)
    assert answer.accepted
    assert "dmarc=pass (" in answer.inserted[0][2]


def test_a_client_that_the_mta_does_not_know_is_not_trusted(client: MilterClient) -> None:
    client.connect_without_address(b"U")
    answer = client.message(b"a@signed.example", PASSING)
    assert answer.accepted
    value = " ".join(answer.inserted[0][2].split())
    assert "spf=temperror (the address of the client is not known) smtp.mailfrom=signed.example" in value
    assert "dmarc=pass (" in value


@pytest.mark.parametrize(("local_parts", "logged"), [(False, "signed.example"), (True, "secretlp@signed.example")])
def test_a_helo_with_an_at_sign_is_logged_as_its_domain(lab: Lab, local_parts: bool, logged: str) -> None:
    more = f"local_parts = {str(local_parts).lower()}\n[trust]\nnetworks = []\n"
    with lab.daemon(f"helo-{local_parts}", more) as daemon, MilterClient(daemon.socket) as client:
        client.connect(world.HOST, helo=b"secretlp@signed.example")
        for sender in (b"", b"a@macro.example"):  # the latter's record asks for %{h}, and does not find it
            answer = client.message(sender, PASSING)
            assert answer.accepted
            assert "secretlp" not in answer.inserted[0][2]
        assert until(lambda: daemon.log.count(f" helo={logged} ") == 2)
        assert ("secretlp" in daemon.log) == local_parts


def test_a_client_on_a_local_socket_is_trusted(client: MilterClient) -> None:
    client.connect_without_address(b"L")
    assert client.message(b"a@signed.example", PASSING).inserted[0][2].split() == ["mx.example.org;", "none"]


def test_behind_our_relay_the_client_is_judged_and_logged_and_the_relay_may_have_said_something(lab: Lab) -> None:
    trust = '[trust]\nrelays = ["203.0.113.5"]\nauthserv_ids = ["relay.example.org"]\n'
    hop = f"from {world.HOST_NAME} (unknown [{world.HOST}])\r\n\tby relay.example.org (Postfix) with ESMTP id 1\r\n"
    said = [f"Authentication-Results: {name}; spf=pass\r\n" for name in ("relay.example.org", "mx.example.org")]
    with lab.daemon("relays", trust) as daemon, MilterClient(daemon.socket) as client:
        client.connect("203.0.113.5", helo=b"relay.example.org")
        answer = client.message(b"", ("".join(said) + "Received: " + hop).encode() + PASSING)
        assert answer.deleted == [(2, "Authentication-Results")]
        assert "spf=pass (no DNSSEC) smtp.helo=mail.signed.example" in " ".join(answer.inserted[0][2].split())
        assert until(lambda: f"client={world.HOST} helo={world.HOST_NAME} " in daemon.log)


@pytest.mark.parametrize(
    "sender", [b"\xff@signed.example", b"a@\xff.example", b"a\r\nb@signed.example", b"a" * 2000 + b"@signed.example"]
)
def test_an_envelope_sender_that_is_no_address(client: MilterClient, sender: bytes) -> None:
    client.connect(world.HOST)
    answer = client.message(sender, PASSING)
    assert answer.accepted
    value = answer.inserted[0][2]
    assert "dmarc=pass (" in value
    assert value.isascii()


@pytest.mark.parametrize("raw", [b"", b"\r\n\r\n", b"From\r\n\r\n", b"From:\r\n\r\n", b"\r\n\r\n\x00\xff"])
def test_hardly_a_message(lab: Lab, raw: bytes) -> None:
    with MilterClient(lab.daemons["mark"].socket) as client:
        client.connect(world.HOST)
        answer = client.message(b"a@signed.example", raw)
        assert answer.accepted
        assert "dmarc=permerror" in answer.inserted[0][2]


def test_one_field_exactly_whatever_comes(client: MilterClient) -> None:
    client.connect(world.HOST)
    for _ in range(3):
        answer = client.message(b"a@signed.example", PASSING)
        assert len(answer.inserted) == 1
        assert answer.deleted == []
