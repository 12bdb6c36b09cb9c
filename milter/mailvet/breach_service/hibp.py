"""hibp – Have I Been Pwned over HTTPS: a range, the list of breaches, and what the subscription allows.

TLS 1.2 or later, no redirects, no proxy but the configured one, bounded bodies. Of an address nothing but the
prefix is in a request. The key is in the two requests that need it and nowhere else.

Raises     ValueError from `read_key`; every other failure is a `Failed`
Not here   which breaches count, when to ask, whether to ask again (checks.breach.counting, breach_service.desk)
"""

import asyncio
import json
import os
import ssl
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from mailvet import __version__
from mailvet.checks.breach.eligibility import PREFIX
from mailvet.checks.breach.hash_range import matches
from mailvet.checks.breach.source import Failed, Subscription
from mailvet.settings import BreachSettings

SOURCE: Final = "haveibeenpwned.com"
_RANGE: Final = 2 * 1024 * 1024  # octets of a range at most
_LIST: Final = 16 * 1024 * 1024  # of the list of breaches, which has their descriptions
_SMALL: Final = 65_536
_RETRY: Final = 60.0  # seconds, where a 429 does not say
_KNOWN: Final = frozenset((400, 401, 403, 404, 429, 500, 502, 503, 504))
_FINAL: Final = frozenset((401, 403))  # the key or the plan: it will not get better by itself


def read_key(file: str) -> str:
    """The API key, from systemd's credential if there is one, else from the file."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(directory, "hibp.key") if directory else None
    path = credential if credential is not None and credential.exists() else Path(file)
    try:
        with path.open("rb") as opened:
            # a credential's directory is closed to others; its ACL for our user looks like a mode of 0440 (systemd 254)
            if path != credential and stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                raise ValueError(f"{path} can be read by others: chmod 600")
            key = opened.read(512).decode("ascii").strip()
    except OSError as e:
        raise ValueError(f"{path}: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise ValueError(f"{path} does not hold a key") from e
    if not key or not key.isprintable() or " " in key or len(key) > 256:
        raise ValueError(f"{path} does not hold a key")
    return key


class Hibp:
    """`breach_source.Ranges`."""

    def __init__(self, settings: BreachSettings, key: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport`: instead of the network.

        Raises OSError or ssl.SSLError for a ca_file that cannot be read, ValueError for URLs that cannot be asked.
        """
        tls = ssl.create_default_context(cafile=settings.ca_file or None)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        contact = f"; {settings.contact}" if settings.contact else ""
        self._key = {settings.api_key_header: key}
        self._template, self._api, self._timeout = settings.url, settings.api.rstrip("/"), settings.timeout
        self._one_host = urlsplit(self._template).netloc == urlsplit(self._api).netloc
        try:
            self._client = httpx.AsyncClient(
                headers={
                    "user-agent": f"mailvet/{__version__} (breach flag of a mail server{contact})",
                    "accept": "application/json",
                    "accept-encoding": "identity",  # so that a bound on what is read bounds what it unpacks to
                },
                verify=tls,
                transport=transport,
                proxy=settings.proxy or None,
                follow_redirects=False,
                trust_env=False,
                timeout=settings.timeout,
                limits=httpx.Limits(max_connections=8, keepalive_expiry=120),
            )
            for url in (self._url("0" * PREFIX), self._api):
                self._client.build_request("GET", url)
        except (httpx.InvalidURL, UnicodeError) as e:  # what httpx alone knows of URLs
            raise ValueError(f"breach.url, breach.api or breach.proxy: {e}") from e

    async def range(self, prefix: str, suffixes: Callable[[], Iterable[str]]) -> dict[str, tuple[str, ...]] | Failed:
        """The breaches of those suffixes that are in the range; what is asked for is asked once the body is there."""
        body = await self._get(self._url(prefix), _RANGE, self._key)
        if isinstance(body, Failed):
            return body
        try:
            return matches(body, suffixes())
        except ValueError:
            return Failed("garbage")

    async def breaches(self) -> bytes | Failed:
        return await self._get(f"{self._api}/breaches", _LIST, {})

    async def latest(self) -> str | Failed:
        """What tells whether the list of breaches has changed."""
        body = await self._get(f"{self._api}/latestbreach", _SMALL, {})
        if isinstance(body, Failed):
            return body
        try:
            entry = json.loads(body)
            return f"{entry['Name']} {entry['AddedDate']}"
        except (ValueError, LookupError, TypeError, RecursionError):
            return Failed("garbage")

    async def subscription(self) -> Subscription | Failed:
        """Asked of the host of the ranges only: the key is theirs, and another would refuse it or learn it."""
        if not self._one_host:
            return Subscription(ranges=True, rpm=0)
        body = await self._get(f"{self._api}/subscription/status", _SMALL, self._key)
        if isinstance(body, Failed):
            return body
        try:
            entry = json.loads(body)
            rpm = entry.get("Rpm")
            known = isinstance(rpm, int) and not isinstance(rpm, bool) and rpm > 0
            return Subscription(ranges=entry.get("IncludesKAnon") is True, rpm=rpm if known else 0)
        except (ValueError, AttributeError, RecursionError):
            return Failed("garbage")

    def describe(self, prefix: str) -> list[str]:
        """The request for a range, line by line, but for the key."""
        request = self._client.build_request("GET", self._url(prefix), headers=dict.fromkeys(self._key, "(your key)"))
        return [f"GET {request.url}", *(f"{name}: {value}" for name, value in request.headers.items())]

    async def close(self) -> None:
        await self._client.aclose()

    def _url(self, prefix: str) -> str:
        return self._template.replace("{prefix}", prefix)

    async def _get(self, url: str, most: int, headers: dict[str, str]) -> bytes | Failed:
        try:
            async with asyncio.timeout(self._timeout), self._client.stream("GET", url, headers=headers) as response:
                if response.status_code != 200:
                    return _failed(response)
                return await _body(response, most)
        except (TimeoutError, httpx.TimeoutException):
            return Failed("timeout")
        except (httpx.HTTPError, httpx.StreamError, OSError):
            return Failed("network")


async def _body(response: httpx.Response, most: int) -> bytes | Failed:
    if response.headers.get("content-encoding", "identity") != "identity":
        return Failed("garbage")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most:
            return Failed("oversized")
    return bytes(body)


def _failed(response: httpx.Response) -> Failed:
    status = response.status_code
    what = f"status {status}" if status in _KNOWN else "other status"
    if status == 429:
        after = response.headers.get("retry-after", "")
        return Failed(what, retry_after=float(after) if after.isascii() and after.isdigit() else _RETRY)
    return Failed(what, final=status in _FINAL)
