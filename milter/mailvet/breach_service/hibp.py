"""hibp – Have I Been Pwned over HTTPS: ranges, the list of breaches, and what our plan allows.

TLS 1.2 or later, no redirects, no proxy but the configured one, bounded bodies. Of an address nothing but the
prefix is in a request. The key is in the two requests that need it and nowhere else.

Raises     OSError or ValueError from `Hibp(...)`; `from_settings` returns them as a Problem
Not here   which breaches count, when to ask, whether to ask again (checks.breach.counting, breach_service.lookup)
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
from mailvet.checks.breach.eligibility import PREFIX_DIGITS
from mailvet.checks.breach.hash_range import parse_range
from mailvet.checks.breach.source import Failed, Subscription
from mailvet.settings import BreachSettings
from mailvet.values import Problem

SOURCE: Final = "haveibeenpwned.com"
_RANGE_OCTETS: Final = 2 * 1024 * 1024  # of a range, at most
_LIST_OCTETS: Final = 16 * 1024 * 1024  # of the list of breaches, which has their descriptions
_SMALL_OCTETS: Final = 65_536  # of any other answer
_LONGEST_KEY_FILE: Final = 512  # octets
_LONGEST_KEY: Final = 256
_DEFAULT_RETRY_AFTER: Final = 60.0  # seconds, where a 429 does not say
_COUNTED_STATUSES: Final = frozenset((400, 401, 403, 404, 429, 500, 502, 503, 504))
_FINAL_STATUSES: Final = frozenset((401, 403))  # the key or the plan: a retry cannot help


def read_key(file: str) -> str | Problem:
    """Return the API key from systemd's credential "hibp.key" if there is one, else from the file."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(directory, "hibp.key") if directory else None
    path = credential if credential is not None and credential.exists() else Path(file)
    try:
        with path.open("rb") as opened:
            # a credential's directory is closed to others; its ACL for our user looks like a mode of 0440 (systemd 254)
            if path != credential and stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                return Problem(f"{path} can be read by others: chmod 600")
            key = opened.read(_LONGEST_KEY_FILE).decode("ascii").strip()
    except OSError as e:
        return Problem(f"{path}: {e.strerror}")
    except UnicodeDecodeError:
        return Problem(f"{path} does not hold a key")
    if not key or not key.isprintable() or " " in key or len(key) > _LONGEST_KEY:
        return Problem(f"{path} does not hold a key")
    return key


class Hibp:
    """Have I Been Pwned, as a `checks.breach.source.BreachSource`."""

    def __init__(self, settings: BreachSettings, key: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Prepare the client; nothing is sent yet. A `transport` takes the network's place.

        Raises OSError if the ca_file cannot be read, and ValueError if a URL cannot be requested.
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
            for url in (self._url("0" * PREFIX_DIGITS), self._api):
                self._client.build_request("GET", url)
        except (httpx.InvalidURL, UnicodeError) as e:  # what httpx alone knows of URLs
            raise ValueError(f"breach.url, breach.api or breach.proxy: {e}") from e

    async def range(self, prefix: str, suffixes: Callable[[], Iterable[str]]) -> dict[str, tuple[str, ...]] | Failed:
        """Return what `BreachSource.range` describes; `suffixes` is called once the body is there."""
        body = await self._get(self._url(prefix), _RANGE_OCTETS, self._key)
        if isinstance(body, Failed):
            return body
        found = parse_range(body, suffixes())
        return Failed("garbage") if isinstance(found, Problem) else found

    async def breaches(self) -> bytes | Failed:
        """Return the published list of breaches, as JSON."""
        return await self._get(f"{self._api}/breaches", _LIST_OCTETS, {})

    async def latest(self) -> str | Failed:
        """Return a text that changes when a breach is added to the list."""
        body = await self._get(f"{self._api}/latestbreach", _SMALL_OCTETS, {})
        if isinstance(body, Failed):
            return body
        try:
            entry = json.loads(body)
            return f"{entry['Name']} {entry['AddedDate']}"
        except (ValueError, LookupError, TypeError, RecursionError):
            return Failed("garbage")

    async def subscription(self) -> Subscription | Failed:
        """Return what our plan allows.

        Only the host of the ranges is asked: the key is for it, and another would refuse the key, and learn it.
        """
        if not self._one_host:
            return Subscription(ranges=True, rpm=0)
        body = await self._get(f"{self._api}/subscription/status", _SMALL_OCTETS, self._key)
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
        """Return the lines of the request for a range, with the key left out."""
        request = self._client.build_request("GET", self._url(prefix), headers=dict.fromkeys(self._key, "(your key)"))
        return [f"GET {request.url}", *(f"{name}: {value}" for name, value in request.headers.items())]

    async def close(self) -> None:
        """Close the connections."""
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


def from_settings(settings: BreachSettings) -> Hibp | Problem:
    """Return the source that is configured, with the API key from its file."""
    key = read_key(settings.api_key_file)
    if isinstance(key, Problem):
        return key
    try:
        return Hibp(settings, key)
    except (ValueError, OSError) as e:
        return Problem(str(e))


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
    what = f"status {status}" if status in _COUNTED_STATUSES else "other status"
    if status == 429:
        after = response.headers.get("retry-after", "")
        return Failed(what, retry_after=float(after) if after.isascii() and after.isdigit() else _DEFAULT_RETRY_AFTER)
    return Failed(what, final=status in _FINAL_STATUSES)
