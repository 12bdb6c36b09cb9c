"""The resolver against a real name server on loopback, well-behaved and not."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from lab import dns_losses
from lab.dnsserver import DnsServer
from lab.resolving import closed_port, resolving, trouble, until
from lab.settings import name_servers
from mailvet.dns.resolver import Resolver
from mailvet.ports import Answer, RecordType, Status, Trouble, Unavailable
from mailvet.settings import DnsSettings


@pytest.fixture(scope="module")
def shared() -> Iterator[Resolver]:
    with resolving() as (resolver, _, _):
        yield resolver


@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        pytest.param("example.org", RecordType.TXT, {b"v=spf1 -all"}, id="TXT"),
        pytest.param("EXAMPLE.org", RecordType.TXT, {b"v=spf1 -all"}, id="any case"),
        pytest.param("long.example.org", RecordType.TXT, {b"x" * 600}, id="the strings of a TXT record are joined"),
        pytest.param("octets.example.org", RecordType.TXT, {bytes(range(256))}, id="TXT holds any octets"),
        pytest.param("example.org", RecordType.A, {"192.0.2.1"}, id="A"),
        pytest.param("example.org", RecordType.AAAA, {"2001:db8::1", "::102:304"}, id="AAAA as ipaddress writes it"),
        pytest.param(
            "example.org", RecordType.MX, {(10, "mx.example.org"), (0, "")}, id="MX, and the null MX of RFC 7505"
        ),
        pytest.param("1.2.0.192.in-addr.arpa", RecordType.PTR, {"host.example.org"}, id="PTR in lower case, no dot"),
        pytest.param("_dmarc.example.org", RecordType.TXT, {b"v=DMARC1; p=none"}, id="underscores are fine"),
        pytest.param("alias2.example.org", RecordType.A, {"192.0.2.1"}, id="aliases are followed"),
        pytest.param("huge.example.org", RecordType.TXT, {b"y" * 20_000}, id="TCP where UDP is too small"),
        pytest.param("truncate.test", RecordType.TXT, {b"right"}, id="TCP when the server says so"),
        pytest.param("wrong-id.test", RecordType.TXT, {b"right"}, id="RFC 5452 §9.1: a wrong id is not listened to"),
        pytest.param(
            "wrong-question.test", RecordType.TXT, {b"right"}, id="RFC 5452 §9.1: nor another question's answer"
        ),
        pytest.param("query-back.test", RecordType.TXT, {b"right"}, id="a query is not an answer"),
        pytest.param("case.test", RecordType.TXT, {b"right"}, id="the server may change case"),
        pytest.param("drop-once.test", RecordType.TXT, {b"right"}, id="a lost packet is sent again"),
    ],
)
def test_found(shared: Resolver, name: str, kind: RecordType, records: set[Any]) -> None:
    answer = shared.new_lookups().ask(name, kind)
    assert answer.status is Status.FOUND
    assert set(answer.records) == records


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        pytest.param("nobody.example.org", RecordType.TXT, Status.NXDOMAIN, id="no such name"),
        pytest.param("alias.example.org", RecordType.PTR, Status.NODATA, id="an alias to a name without the type"),
        pytest.param("dangling.example.org", RecordType.A, Status.NXDOMAIN, id="an alias to a name that is not"),
        pytest.param("org", RecordType.A, Status.NODATA, id="RFC 8020: there are names below"),
        pytest.param("bare.example.org", RecordType.A, Status.NODATA, id="RFC 2308 §2.2: type 3, no SOA"),
    ],
)
def test_absent(shared: Resolver, name: str, kind: RecordType, status: Status) -> None:
    assert shared.new_lookups().ask(name, kind).status is status


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param(".", id="root"),
        pytest.param("example.org.", id="trailing dot"),
        pytest.param("a..b", id="empty label"),
        pytest.param(".a", id="leading dot"),
        pytest.param("a" * 64 + ".org", id="label > 63"),
        pytest.param(".".join(["a" * 49] * 6), id="> 253"),
        pytest.param("ä.org", id="non-ASCII"),
        pytest.param("a\0.org", id="NUL"),
        pytest.param("\ud800.org", id="surrogate"),
    ],
)
def test_impossible_names_do_not_exist_and_are_not_asked(name: str) -> None:
    with resolving() as (resolver, server, _):
        lookups = resolver.new_lookups()
        assert lookups.ask(name, RecordType.TXT).status is Status.NXDOMAIN
        assert (server.asked, lookups.asked) == ([], 0)


@pytest.mark.parametrize("name", ["a" * 63 + ".org", ".".join(["a" * 49] * 5 + ["abc"]), "a\\b.org", "a b.org"])
def test_odd_but_possible_names_are_asked(shared: Resolver, name: str) -> None:
    lookups = shared.new_lookups()
    lookups.ask(name, RecordType.TXT)
    assert lookups.asked == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("servfail.test", Trouble.SERVFAIL),
        ("refused.test", Trouble.REFUSED),
        ("formerr.test", Trouble.BROKEN),
        ("bare-formerr.test", Trouble.BROKEN),
        ("garbage.test", Trouble.BROKEN),
        ("lame.test", Trouble.BROKEN),
        ("unfinished.test", Trouble.BROKEN),
        ("circle.example.org", Trouble.BROKEN),
        ("truncate-cut.test", Trouble.BROKEN),
        ("truncate-twice.test", Trouble.BROKEN),
    ],
)
def test_failures_are_kept_apart_and_are_never_absence(shared: Resolver, name: str, expected: Trouble) -> None:
    assert trouble(shared, name) is expected


@pytest.mark.parametrize("name", ["drop.test", "truncate-drop.test"])
def test_silence_is_kept_apart_from_the_other_failures(name: str) -> None:
    with resolving(timeout=0.4) as (resolver, _, _):
        assert trouble(resolver, name) is Trouble.TIMEOUT


def test_nobody_listens() -> None:
    resolver = Resolver(DnsSettings(nameservers=name_servers(closed_port()), timeout=5))
    resolver.start()
    started = time.monotonic()
    assert trouble(resolver, "example.org") is Trouble.UNREACHABLE
    assert time.monotonic() - started < 2
    resolver.close()


def test_not_started_or_closed_is_unreachable_at_once() -> None:
    with resolving() as (resolver, _, _):
        resolver.close()
        assert trouble(resolver, "example.org") is Trouble.UNREACHABLE


def test_close_ends_those_who_wait() -> None:
    with resolving(timeout=30) as (resolver, _, _):
        threading.Timer(0.1, resolver.close).start()
        started = time.monotonic()
        assert trouble(resolver, "drop.test") is Trouble.TIMEOUT
        assert time.monotonic() - started < 5


def test_query_asks_for_ad_and_1232_octets_and_not_for_signatures() -> None:
    with resolving() as (resolver, server, _):
        resolver.new_lookups().ask("example.org", RecordType.TXT)
        query = dns.message.from_wire(server.queries[0])
    assert dns.flags.to_text(query.flags) == "RD AD"  # RFC 6840 §5.7
    assert (query.edns, query.payload, query.ednsflags) == (0, 1232, 0)


def test_ids_and_ports_cannot_be_foretold() -> None:
    with resolving() as (resolver, server, _):
        lookups = resolver.new_lookups()
        for n in range(60):
            lookups.ask(f"n{n}.example.org", RecordType.TXT)
        assert len({query[:2] for query in server.queries}) > 50
        assert len(set(server.ports)) > 30


def test_a_truncated_nxdomain_may_be_said_again_over_tcp() -> None:
    with resolving({"x.example.org": {"manner": "truncate"}}) as (resolver, server, _):

        def denied(query: dns.message.Message) -> dns.message.Message:
            answer = dns.message.make_response(query, recursion_available=True)
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return answer

        server.answer = denied  # type: ignore[method-assign]
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).status is Status.NXDOMAIN
        assert server.asked_tcp == [("x.example.org", "TXT")]


@pytest.mark.parametrize("loss", [loss for loss in dns_losses.EVERY if "alias" not in loss])
def test_lost_records_are_trouble_and_only_for_a_second(loss: str) -> None:
    with resolving({"x.example.org": {"TXT": ["v=spf1 -all"], "loss": loss}}) as (resolver, server, clock):
        assert trouble(resolver, "x.example.org") is Trouble.BROKEN
        clock.now += 1
        server.zone["x.example.org"] = {"TXT": ["v=spf1 -all"]}
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).records == (b"v=spf1 -all",)


LOST_TARGETS = [
    "an alias alone",
    "an alias alone, NXDOMAIN",
    "an alias alone, with a SOA beside its target",
    "an alias alone, NXDOMAIN with a SOA beside its target",
    "two aliases alone",
    "truncated, then an alias alone",
]


@pytest.mark.parametrize("loss", LOST_TARGETS)
def test_the_lost_target_of_an_alias_is_asked_for_by_itself(loss: str) -> None:
    zone: dict[str, Any] = {"x.example.org": {"loss": loss}, "held.x.example.org": {"TXT": ["key"], "ttl": 70}}
    with resolving(zone, secure=True) as (resolver, server, _):
        lookups = resolver.new_lookups()
        assert lookups.ask("x.example.org", RecordType.TXT) == Answer(Status.FOUND, (b"key",), True, 70)
        assert lookups.asked == 2  # the message pays for both
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).records == (b"key",)
        assert server.asked == [("x.example.org", "TXT"), ("held.x.example.org", "TXT")]
        server.secure = False
        assert resolver.new_lookups().ask("held.x.example.org", RecordType.TXT).secure is False


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param({"manner": "servfail"}, Trouble.SERVFAIL, id="SERVFAIL"),
        pytest.param({"loss": "empty, RA=0"}, Trouble.BROKEN, id="nothing, again"),
        pytest.param({"loss": "aliases in a circle"}, Trouble.BROKEN, id="a circle"),
    ],
)
def test_a_target_that_is_lost_for_good_is_trouble(target: dict[str, Any], expected: Trouble) -> None:
    zone = {"x.example.org": {"loss": "an alias alone"}, "held.x.example.org": target}
    with resolving(zone) as (resolver, _, _):
        assert trouble(resolver, "x.example.org") is expected


def test_lost_targets_are_not_asked_for_without_end() -> None:
    zone = {"held." * n + "x.example.org": {"loss": "an alias alone"} for n in range(20)}
    with resolving(zone) as (resolver, server, _):
        assert trouble(resolver, "x.example.org") is Trouble.BROKEN
        assert len(server.asked) == 5


def test_the_word_of_all_answers_counts_for_an_alias() -> None:
    zone: dict[str, Any] = {"x.example.org": {"loss": "an alias alone"}, "held.x.example.org": {"TXT": ["key"]}}
    with DnsServer(zone, secure=True) as server:
        resolver = Resolver(
            DnsSettings(
                nameservers=name_servers(
                    server.address,
                ),
                timeout=5,
            )
        )
        resolver.start()
        answer, key = server.answer, ("x.example.org", "TXT")

        def first_alone(query: dns.message.Message) -> dns.message.Message:
            server.secure = server.asked[-1] == key
            return answer(query)

        server.answer = first_alone  # type: ignore[method-assign]
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).secure is False
        resolver.close()


@pytest.mark.parametrize("manner", ["no-edns", "bad-version", "two-opts"])
def test_a_server_that_does_not_know_edns_is_asked_without(manner: str) -> None:  # RFC 6891 §6.1.1, §6.1.3, §7
    with resolving({"x.example.org": {"TXT": ["right"], "manner": manner}}) as (resolver, server, _):
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).records == (b"right",)
        assert [dns.message.from_wire(query).edns for query in server.queries] == [0, -1]


@pytest.mark.parametrize("loss", dns_losses.EVERY)
def test_the_second_server_is_asked_when_the_first_proves_nothing(loss: str) -> None:
    zone = {"held.x.example.org": {"manner": "servfail"}}
    with (
        DnsServer({"x.example.org": {"TXT": ["right"], "loss": loss}, **zone}) as first,
        DnsServer({"x.example.org": {"TXT": ["right"]}, **zone}) as second,
    ):
        resolver = Resolver(DnsSettings(nameservers=name_servers(first.address, second.address), timeout=5))
        resolver.start()
        if loss in LOST_TARGETS:  # it is asked for its target, and both say that they cannot tell
            assert trouble(resolver, "x.example.org") is Trouble.SERVFAIL
        else:
            assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).records == (b"right",)
        resolver.close()


@pytest.mark.parametrize("manner", ["truncate-twice", "truncate-cut", "garbage"])
def test_the_second_server_is_asked_when_the_first_has_not_said_it_all(manner: str) -> None:
    zone = {"x.example.org": {"TXT": ["right"]}}
    with DnsServer({"x.example.org": {"manner": manner}}) as first, DnsServer(zone) as second:
        resolver = Resolver(DnsSettings(nameservers=name_servers(first.address, second.address), timeout=5))
        resolver.start()
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).records == (b"right",)
        resolver.close()


def test_twenty_who_ask_at_once_cost_one_packet() -> None:
    with resolving({"slow.example.org": {"TXT": ["late"], "delay": 1.0}}, timeout=5) as (resolver, server, _):
        answers: list[Answer] = []
        together = threading.Barrier(20)

        def ask() -> None:
            together.wait()
            answers.append(resolver.new_lookups().ask("slow.example.org", RecordType.TXT))

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.records for answer in answers] == [(b"late",)] * 20
        assert len(server.asked) == 1
        assert resolver.counters()["coalesced"] == 19


def test_an_answer_that_landed_meanwhile_is_not_fetched_again() -> None:
    with resolving() as (resolver, server, _):
        answer = resolver.new_lookups().ask("example.org", RecordType.TXT)
        assert resolver.fetch(("example.org", RecordType.TXT)) == answer
        assert len(server.asked) == 1


def test_ask_waits_for_what_was_asked_ahead() -> None:
    with resolving() as (resolver, server, _):
        lookups = resolver.new_lookups()
        lookups.ahead("slow.example.org", RecordType.TXT)
        assert lookups.ask("slow.example.org", RecordType.TXT).records == (b"late",)
        assert (len(server.asked), lookups.asked) == (1, 1)


def test_questions_asked_ahead_travel_side_by_side() -> None:
    zone = {f"n{n}.example": {"TXT": ["x"], "delay": 0.5} for n in range(20)}
    with resolving(zone, timeout=5) as (resolver, _, _):
        lookups = resolver.new_lookups()
        started = time.monotonic()
        for name in zone:
            lookups.ahead(name, RecordType.TXT)
        for name in zone:
            lookups.ask(name, RecordType.TXT)
        assert time.monotonic() - started < 5  # one after the other: 10


def test_then_is_called_with_answers_in_the_order_they_were_waited_for() -> None:
    with resolving() as (resolver, _, _):
        lookups, heard = resolver.new_lookups(), list[str]()
        lookups.ahead("slow.example.org", RecordType.TXT, lambda _: heard.append("first"))
        lookups.ahead("slow.example.org", RecordType.TXT, lambda _: heard.append("second"))
        resolver.new_lookups().ahead("slow.example.org", RecordType.TXT, lambda _: heard.append("other message"))
        lookups.ask("slow.example.org", RecordType.TXT)
        until(lambda: len(heard) == 3)
        assert heard == ["first", "second", "other message"]
        lookups.ahead("slow.example.org", RecordType.TXT, lambda _: heard.append("memo"))
        resolver.new_lookups().ahead("slow.example.org", RecordType.TXT, lambda _: heard.append("cache"))
        assert heard[3:] == ["memo", "cache"]


def test_then_may_ask_ahead_and_is_not_called_for_a_failure() -> None:
    with resolving() as (resolver, server, _):
        lookups, heard = resolver.new_lookups(), list[Answer]()
        lookups.ahead(
            "slow.example.org", RecordType.TXT, lambda _: lookups.ahead("example.org", RecordType.MX, heard.append)
        )
        lookups.ahead("servfail.test", RecordType.TXT, heard.append)
        until(lambda: heard)
        with pytest.raises(Unavailable):
            lookups.ask("servfail.test", RecordType.TXT)
        assert [set(answer.records) for answer in heard] == [{(10, "mx.example.org"), (0, "")}]
        assert ("example.org", "MX") in server.asked


def test_a_listener_that_raises_harms_nobody() -> None:
    with resolving() as (resolver, _, _):
        lookups = resolver.new_lookups()
        lookups.ahead("slow.example.org", RecordType.TXT, _fail)
        assert lookups.ask("slow.example.org", RecordType.TXT).records == (b"late",)
        lookups.ahead("slow.example.org", RecordType.TXT, _fail)
        assert lookups.ask("example.org", RecordType.A).records == ("192.0.2.1",)
        until(lambda: resolver.counters()["bugs"] == 2)


def test_nothing_is_asked_ahead_when_the_message_is_over() -> None:
    with resolving() as (resolver, server, _):
        lookups = resolver.new_lookups()
        lookups.end()
        lookups.ahead("example.org", RecordType.TXT)
        assert resolver.new_lookups().ask("example.org", RecordType.A)
        assert server.asked == [("example.org", "A")]


def _fail(_: Answer) -> None:
    raise ZeroDivisionError
