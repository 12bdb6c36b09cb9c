"""The HTTPS side against a look-alike: every manner of answering, and what is in the requests."""

import asyncio
import hashlib
import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.hibp_server import BREACHES, KEY, MANNERS, HibpServer
from mailvet.breach_service.hibp import Hibp, read_key
from mailvet.checks.breach.hash_range import split
from mailvet.checks.breach.source import Failed, Subscription
from mailvet.settings import BreachSettings
from mailvet.values import Problem

ANN = "ann@signed.example"
PREFIX, SUFFIX = split(hashlib.sha1(ANN.encode()).digest())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HibpServer]:
    with HibpServer(tmp_path_factory.mktemp("hibp"), {ANN: ["Fresh", "Ancient"]}) as running:
        yield running


@pytest.fixture
def hibp(server: HibpServer) -> HibpServer:
    server.manner, server.rpm, server.pause = "", None, 0.0
    server.plan = {"SubscriptionName": "Pro 1", "Rpm": 500, "IncludesKAnon": True}
    server.requests.clear()
    return server


def settings(hibp: HibpServer, **more: Any) -> BreachSettings:
    return BreachSettings(**({"timeout": 1.0} | hibp.settings() | more))


def using(made: BreachSettings, use: Callable[[Hibp], Coroutine[Any, Any, Any]], key: str = KEY) -> Any:
    async def run() -> Any:
        source = Hibp(made, key)
        try:
            return await use(source)
        finally:
            await source.close()

    return asyncio.run(run())


def asked(made: BreachSettings, key: str = KEY, suffix: str = SUFFIX) -> Any:
    return using(made, lambda source: source.range(PREFIX, lambda: (suffix,)), key)


def test_the_breaches_of_the_one_who_is_asked_about(hibp: HibpServer) -> None:
    assert asked(settings(hibp)) == {SUFFIX: ("Fresh", "Ancient")}
    assert asked(settings(hibp), suffix="F" * 34) == {}


def test_nothing_but_the_prefix_is_in_the_request(hibp: HibpServer) -> None:
    asked(settings(hibp, contact="postmaster@example.org"))
    (request,) = hibp.requests
    assert request.path == f"/api/v3/breachedaccount/range/{PREFIX}"
    assert set(request.headers) == {"host", "user-agent", "accept", "accept-encoding", "connection", "hibp-api-key"}
    assert request.headers["hibp-api-key"] == KEY
    assert request.headers["user-agent"].startswith("mailvet/")
    assert "postmaster@example.org" in request.headers["user-agent"]
    everything = f"{request.path} {request.headers}".lower()
    for part in (SUFFIX[:6], "ann", "signed"):
        assert part.lower() not in everything


OUTCOMES = {
    "redirect": "other status", "hang": "timeout", "drip": "timeout", "truncated": "network", "closed": "network",
    "oversized": "oversized", "gzip": "garbage", "not json": "garbage", "another shape": "garbage",
    "empty range": "garbage", "nested": "garbage", "html": "garbage",
}  # fmt: skip


@pytest.mark.parametrize("manner", MANNERS)
def test_bad_manners_are_failures(hibp: HibpServer, manner: str) -> None:
    hibp.manner = manner
    started = time.monotonic()
    found = asked(settings(hibp))
    assert isinstance(found, Failed)
    assert found.what == OUTCOMES.get(manner, manner)
    assert found.final == (manner in ("status 401", "status 403"))
    assert found.retry_after == (2.0 if manner == "status 429" else 0.0)
    assert time.monotonic() - started < 10.0  # the slowest manners take 20
    assert len(hibp.requests) == 1  # no retry, no redirect followed


def test_a_wrong_key(hibp: HibpServer) -> None:
    assert asked(settings(hibp), key="f" * 32) == Failed("status 401", final=True)


def test_a_server_that_is_not_there(hibp: HibpServer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert asked(settings(hibp, url=f"https://127.0.0.1:{port}/{{prefix}}")) == Failed("network")


def test_a_certificate_nobody_vouches_for(hibp: HibpServer) -> None:
    assert asked(settings(hibp, ca_file="")) == Failed("network")
    assert hibp.requests == []


def test_a_certificate_for_another_name(hibp: HibpServer) -> None:
    made = settings(hibp, url=f"{hibp.url}/breachedaccount/range/{{prefix}}".replace("127.0.0.1", "localhost"))
    assert asked(made) == Failed("network")
    assert hibp.requests == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_below_1_2_is_not_spoken(hibp: HibpServer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(hibp.ca_file.with_name("hibp.pem"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen: list[Exception] = []

        def serve() -> None:
            client, _ = listener.accept()
            try:
                context.wrap_socket(client, server_side=True)
            except OSError as e:
                seen.append(e)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/{{prefix}}"
        assert asked(settings(hibp, url=url)) == Failed("network")
        thread.join(5)
        assert seen


def test_connections_are_kept(hibp: HibpServer) -> None:
    async def thrice(source: Hibp) -> None:
        for _ in range(3):
            assert not isinstance(await source.range(PREFIX, lambda: (SUFFIX,)), Failed)

    using(settings(hibp), thrice)
    assert len({request.port for request in hibp.requests}) == 1


def test_the_list_of_breaches_is_asked_for_without_the_key(hibp: HibpServer) -> None:
    async def both(source: Hibp) -> tuple[Any, Any]:
        return await source.breaches(), await source.latest()

    breaches, latest = using(settings(hibp), both)
    assert len(breaches) > 1000
    assert latest.startswith(BREACHES[0]["Name"])
    assert all("hibp-api-key" not in request.headers for request in hibp.requests)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({"Rpm": 500, "IncludesKAnon": True}, Subscription(True, 500)),
        ({"Rpm": 500, "IncludesKAnon": False}, Subscription(False, 500)),
        ({"Rpm": 10}, Subscription(False, 10)),
        ({"IncludesKAnon": True}, Subscription(True, 0)),
        ({"Rpm": "many", "IncludesKAnon": True}, Subscription(True, 0)),
        ({"Rpm": -1, "IncludesKAnon": 1}, Subscription(False, 0)),
        ([], Failed("garbage")),
    ],
)
def test_what_the_subscription_allows(hibp: HibpServer, plan: Any, expected: Subscription | Failed) -> None:
    hibp.plan = plan
    assert using(settings(hibp), lambda source: source.subscription()) == expected


def test_the_enterprise_variant_is_a_matter_of_settings(hibp: HibpServer) -> None:
    made = settings(hibp, url=f"{hibp.url}/range/search/{{prefix}}?x=1", api_key_header="Hibp-Enterprise-Api-Key")
    assert asked(made) == Failed("status 401", final=True)
    (request,) = hibp.requests
    assert request.path == f"/api/v3/range/search/{PREFIX}?x=1"
    assert request.headers["hibp-enterprise-api-key"] == KEY


def test_the_key_goes_to_the_host_of_the_ranges_only(hibp: HibpServer) -> None:
    made = settings(hibp, url="https://enterprise.example/range/search/{prefix}")
    assert using(made, lambda source: source.subscription()) == Subscription(ranges=True, rpm=0)
    assert hibp.requests == []


def test_only_the_configured_proxy_is_used(hibp: HibpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            lines.append(self.requestline)
            self.send_error(502)

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        address = f"http://127.0.0.1:{proxy.server_address[1]}"
        monkeypatch.setenv("HTTPS_PROXY", address)
        monkeypatch.setenv("ALL_PROXY", address)
        assert SUFFIX in asked(settings(hibp))
        assert lines == []
        assert asked(settings(hibp, proxy=address)) == Failed("network")
        assert len(lines) == 1
        proxy.shutdown()


def test_the_description_of_a_request_has_no_key(hibp: HibpServer) -> None:
    lines = Hibp(settings(hibp), KEY).describe(PREFIX)
    assert lines[0] == f"GET {hibp.url}/breachedaccount/range/{PREFIX}"
    assert "hibp-api-key: (your key)" in lines
    assert KEY not in "".join(lines)


def test_a_transport_can_stand_in_for_the_network() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"})

    async def run() -> Any:
        source = Hibp(BreachSettings(), KEY, httpx.MockTransport(answer))
        return await source.range(PREFIX, lambda: (SUFFIX,))

    assert asyncio.run(run()) == Failed("status 429", retry_after=60.0)


@pytest.mark.parametrize(
    ("mode", "octets", "problem"),
    [
        (0o640, b"k" * 32, "chmod 600"),
        (0o604, b"k" * 32, "chmod 600"),
        (0o600, b"", "does not hold a key"),
        (0o600, b"two keys", "does not hold a key"),
        (0o600, b"k\r\nX-Evil: 1", "does not hold a key"),
        (0o600, b"\xff" * 32, "does not hold a key"),
        (0o600, b"k" * 400, "does not hold a key"),
    ],
)
def test_keys_that_are_refused(tmp_path: Path, mode: int, octets: bytes, problem: str) -> None:
    file = tmp_path / "hibp.key"
    file.write_bytes(octets)
    file.chmod(mode)
    found = read_key(str(file))
    assert isinstance(found, Problem)
    assert problem in found.text


def test_a_key_that_is_missing(tmp_path: Path) -> None:
    found = read_key(str(tmp_path / "none"))
    assert isinstance(found, Problem)
    assert "No such file" in found.text


def test_the_key_and_the_credential_that_comes_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.key"
    file.write_text(KEY + "\n")
    file.chmod(0o600)
    assert read_key(str(file)) == KEY
    credential = tmp_path / "hibp.key"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_key(str(file)) == KEY
    credential.write_text("another")
    for mode in (0o400, 0o440):  # as it looks with an ACL for the service's user
        credential.chmod(mode)
        assert read_key(str(file)) == "another"
