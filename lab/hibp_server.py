"""hibp_server – a look-alike of Have I Been Pwned on loopback: real HTTPS, its own CA, and misbehaviour on demand.

    with HibpServer(directory, {"ann@signed.example": ["Fresh"]}) as hibp:
        hibp.manner = "truncated"
        hibp.requests            # what was asked, in order: method, path, headers

It answers as HIBP's documentation says: 403 without a user agent, 401 without the key, 400 for a bad prefix, 429
with retry-after beyond the limit, and hundreds of other people's suffixes in every range.

Raises     OSError
"""

import datetime
import gzip
import hashlib
import http.server
import json
import random
import re
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from lab.certificates import certificates

KEY = "0123456789abcdef0123456789abcdef"
OTHERS = 300  # entries of a range that belong to other people
TODAY = datetime.datetime.now(datetime.UTC).date()
MANNERS = (
    "status 400", "status 401", "status 403", "status 404", "status 429", "status 500", "status 503",
    "redirect", "hang", "drip", "truncated", "oversized", "gzip", "not json", "another shape", "empty range",
    "nested", "html", "closed",
)  # fmt: skip


def breach(
    name: str, *, days: int = 30, classes: Sequence[str] = ("Email addresses", "Passwords"), **flags: bool
) -> dict[str, Any]:
    """Return an entry of /breaches, as it looks there, added so many days ago."""
    added = TODAY - datetime.timedelta(days=days)
    kinds = ("Fabricated", "Sensitive", "Retired", "SpamList", "Malware", "SubscriptionFree", "StealerLog")
    return {
        "Name": name, "Title": name, "Domain": f"{name.lower()}.example", "BreachDate": "2020-01-01",
        "AddedDate": f"{added.isoformat()}T00:00:00Z", "ModifiedDate": f"{added.isoformat()}T00:00:00Z",
        "PwnCount": 1000, "Description": f"<em>{name}</em> was <a href=\"#\">breached</a>.",
        "LogoPath": "https://logos.example/x.png", "DataClasses": list(classes), "IsVerified": True,
    } | dict.fromkeys((f"Is{kind}" for kind in kinds), False) | flags  # fmt: skip


BREACHES = [
    breach("Fresh"),
    breach("Older", days=90),
    breach("Ancient", days=4000),
    breach("NoPasswords", classes=("Email addresses", "Names")),
    breach("Logs", classes=("Email addresses",), IsStealerLog=True),
    breach("Trojan", classes=("Email addresses",), IsMalware=True),
    breach("Unverified", IsVerified=False),
    breach("Fabricated", IsFabricated=True),
    breach("Retired", IsRetired=True),
    breach("SpamList", IsSpamList=True),
    breach("Clinic", IsSensitive=True),
]


class Request(NamedTuple):
    """A request as it arrived."""

    path: str
    headers: dict[str, str]  # names in lower case
    port: int  # of the client: the same for requests over one connection
    at: float


class HibpServer:
    """The server. `rpm` is how many requests a minute it answers, None for all; `manner`, one of MANNERS, how it
    misbehaves when asked for a range, "" for not at all; `plan` what /subscription/status returns."""

    def __init__(self, directory: Path, listed: Mapping[str, Sequence[str]], *, rpm: int | None = None) -> None:
        self.listed = {hashlib.sha1(address.encode()).hexdigest().upper(): names for address, names in listed.items()}
        self.breaches = list(BREACHES)
        self.rpm, self.manner, self.pause = rpm, "", 0.0
        self.plan: dict[str, Any] = {"SubscriptionName": "Pro 1", "Rpm": 500, "IncludesKAnon": True}
        self.requests: list[Request] = []
        self.ca_file, leaf = certificates(directory)
        self.key_file = directory / "hibp.key"
        self.key_file.write_text(KEY + "\n")
        self.key_file.chmod(0o600)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.look_alike = self
        self._server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.tls.load_cert_chain(leaf)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}/api/v3"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def settings(self) -> dict[str, str]:
        """Return the values for the section [breach] with which this server is asked."""
        return {
            "url": f"{self.url}/breachedaccount/range/{{prefix}}",
            "api": self.url,
            "api_key_file": str(self.key_file),
            "ca_file": str(self.ca_file),
        }

    @property
    def ranges(self) -> list[str]:
        """The prefixes that were requested, in order."""
        with self._lock:
            return [request.path.rpartition("/")[2] for request in self.requests if "/range/" in request.path]

    def note(self, request: Request) -> bool:
        """Record a request. Return False if it was one too many this minute."""
        with self._lock:
            self.requests.append(request)
            recent = sum("/range/" in one.path and request.at - one.at < 60 for one in self.requests)
            return self.rpm is None or "/range/" not in request.path or recent <= self.rpm

    def range(self, prefix: str) -> list[dict[str, Any]]:
        """Return the range: the listed suffixes among many others, which are the same each time."""
        rng = random.Random(prefix)
        entries: list[dict[str, Any]] = [
            {"hashSuffix": f"{rng.getrandbits(136):034X}", "websites": ["Ancient"]} for _ in range(OTHERS)
        ]
        ours = {digest[6:]: list(names) for digest, names in self.listed.items() if digest.startswith(prefix)}
        entries += [{"hashSuffix": suffix, "websites": names} for suffix, names in ours.items()]
        return sorted(entries, key=lambda entry: entry["hashSuffix"])


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    look_alike: HibpServer
    tls: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:  # the handshake on the connection's own thread
            request.settimeout(30)
            with self.tls.wrap_socket(request, server_side=True) as tls:
                _Handler(tls, client_address, self)
        except OSError:
            return  # the client has left


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        hibp = self.server.look_alike
        headers = {name.lower(): value for name, value in self.headers.items()}
        within = hibp.note(Request(self.path, headers, self.client_address[1], time.time()))
        time.sleep(hibp.pause)
        path = self.path.lower().removeprefix("/api/v3")
        if not headers.get("user-agent"):
            self._text(403, "Forbidden: no user agent has been specified")
        elif path == "/breaches":
            self._json(hibp.breaches)
        elif path == "/latestbreach":
            self._json(max(hibp.breaches, key=lambda entry: entry["AddedDate"]))
        elif headers.get("hibp-api-key") != KEY:
            self._text(401, "Access denied due to missing hibp-api-key.")
        elif path == "/subscription/status":
            self._json(hibp.plan)
        elif path.startswith("/breachedaccount/range/"):
            self._range(path.rpartition("/")[2].upper(), within)
        else:
            self._text(404, "")

    def _range(self, prefix: str, within: bool) -> None:
        manner = self.server.look_alike.manner
        if not re.fullmatch(r"[0-9A-F]{6}", prefix):
            self._text(400, "The hash prefix was not in a valid format")
        elif not within:
            self._too_many()
        elif manner:
            self._misbehave(manner, json.dumps(self.server.look_alike.range(prefix)).encode())
        else:
            self._json(self.server.look_alike.range(prefix))

    def _misbehave(self, manner: str, body: bytes) -> None:
        if manner == "status 429":
            self._too_many()
        elif manner.startswith("status "):
            self._text(int(manner.removeprefix("status ")), "something is wrong")
        elif manner == "redirect":
            self.send_response(302)
            self.send_header("Location", f"{self.server.look_alike.url}/breaches")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif manner in ("hang", "closed"):
            time.sleep(20 if manner == "hang" else 0)
            self.close_connection = True
        elif manner == "drip":
            self._head(200, "application/json", len(body))
            for at in range(200):
                self.wfile.write(body[at : at + 1])
                self.wfile.flush()
                time.sleep(0.1)
        elif manner == "truncated":
            self._head(200, "application/json", len(body))
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif manner == "gzip":
            self._send(200, "application/json", gzip.compress(body), ("Content-Encoding", "gzip"))
        else:
            self._strange(manner, body)

    def _strange(self, manner: str, body: bytes) -> None:
        bodies = {
            "oversized": b"[" + body[1:-1] + b"," + b" " * 3_000_000 + body[1:-1] + b"]",
            "not json": body[:-1],
            "another shape": b'{"hashSuffix": "' + b"0" * 34 + b'", "websites": []}',
            "empty range": b"[]",
            "nested": b"[" * 100_000 + b"]" * 100_000,
            "html": b"<html><title>Attention Required!</title></html>",
        }
        self._send(200, "application/json", bodies[manner])

    def _too_many(self) -> None:
        body = json.dumps({"statusCode": 429, "message": "Rate limit is exceeded. Try again in 2 seconds."}).encode()
        self._send(429, "application/json", body, ("retry-after", "2"))

    def _json(self, value: object) -> None:
        self._send(200, "application/json", json.dumps(value).encode())

    def _text(self, status: int, text: str) -> None:
        self._send(status, "text/plain", text.encode())

    def _send(self, status: int, kind: str, body: bytes, *more: tuple[str, str]) -> None:
        self._head(status, kind, len(body), *more)
        self.wfile.write(body)

    def _head(self, status: int, kind: str, size: int, *more: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(size)), *more):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: `requests` has them."""
