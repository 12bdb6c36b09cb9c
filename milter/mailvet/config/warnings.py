"""warnings – settings that are valid, and that an operator hardly ever means.

`warnings(settings, mynetworks)` lists them as (key, what it does and what to write instead). None of them stops a
start or a reload.

Raises     nothing
Not here   what cannot work (config.rules); asking Postfix for mynetworks (config.postconf)
"""

import ipaddress
import re
import socket
from collections.abc import Iterator, Sequence
from typing import Final

from mailvet.config.mistakes import Key
from mailvet.outcome import Action
from mailvet.settings import Mode, Settings
from mailvet.syntax import ip
from mailvet.text import loggable
from mailvet.values import Network, Problem

_WIDE_4: Final = 8  # bits: a network with a shorter prefix is not one's own
_WIDE_6: Final = 16
_LOCAL_6: Final = (ipaddress.IPv6Network("fc00::/7"), ipaddress.IPv6Network("fe80::/10"))
# IPv6 that stands for IPv4: with 8 bits more it is as wide as IPv4's /8
_EMBEDDED: Final = {
    ipaddress.IPv6Network("64:ff9b::/96"): "by NAT64",
    ipaddress.IPv6Network("2002::/16"): "by 6to4",
    ipaddress.IPv6Network("::/96"): "in its old form",
}
_ENTRY: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?:/(\d{1,3}))?|([0-9.]+(?:/\d{1,2})?)")
_MOST_NAMED: Final = 20
_LONGEST_NAMED: Final = 80
_CHECKED: Final = {
    Mode.MARK: "checks like a stranger's, and could refuse in mode enforce",
    Mode.QUARANTINE: "checks like a stranger's, and may put on hold",
    Mode.ENFORCE: "checks like a stranger's, and may refuse",
}


def warnings(settings: Settings, mynetworks: str = "") -> list[tuple[Key, str]]:
    """Return all warnings. `mynetworks`: that of this host's Postfix, expanded; "" if there is none."""
    return [
        *_names(settings),
        *_listening(settings),
        *_wide(settings),
        *_overlapping(settings),
        *_times(settings),
        *_policy(settings),
        *_postfix(settings, mynetworks),
    ]


def _names(s: Settings) -> Iterator[tuple[Key, str]]:
    name, key = s.authserv_id, ("authserv_id",)
    plain = name.rstrip(".").lower()
    if "." not in plain:
        better = f"{plain if plain and plain != 'localhost' else 'mx'}.example.org"
        yield (
            key,
            f'other hosts go by "{name}", too, and filters would trust them: write a full name such as "{better}"',
        )
    elif plain != name:
        yield key, f'filters that compare letter by letter miss "{name}": write "{plain}"'


def _listening(s: Settings) -> Iterator[tuple[Key, str]]:
    listen = s.milter.listen.value
    if listen.family != "unix" and _is_everywhere(listen.host):
        text = "listens on all addresses: who reaches it can fill the log and make us ask the DNS"
        yield ("milter", "listen"), f'{s.milter.listen.text} {text}; write "inet:{listen.port}@127.0.0.1"'
    metrics = s.metrics.listen.value
    if metrics is not None and not ipaddress.ip_address(metrics.address).is_loopback:
        text = f"{s.metrics.listen.text} tells everybody who reaches it how much mail of which kind comes in"
        better = f'write "127.0.0.1:{metrics.port}", or let only the monitoring host through the firewall'
        yield ("metrics", "listen"), f"{text}: {better}"


def _is_everywhere(host: str) -> bool:
    """Return whether this host name stands for all addresses, also as C libraries read it: 0, 0.0, 00.0.0.0."""
    bare = host.removeprefix("[").removesuffix("]")
    address = ip.parse(bare)
    if address is not None or not bare:
        return address is None or address.is_unspecified
    try:
        return not any(socket.inet_aton(bare))
    except (OSError, ValueError):  # a name
        return False


def _wide(s: Settings) -> Iterator[tuple[Key, str]]:
    said = {
        "networks": "mail from there is not checked at all: name your own networks only",
        "relays": "every client there may say who sent a message: name your own relays only",
    }
    for key, meaning in said.items():
        for text, network in getattr(s.trust, key):
            if width := _width(network):
                yield ("trust", key), f'"{text}" is {width}, and {meaning}'


def _width(network: Network) -> str:
    """Say how wide a network is that cannot be one's own; "" if it can be."""
    large = "a large part of the Internet"
    if isinstance(network, ipaddress.IPv4Network):
        return large if network.prefixlen < _WIDE_4 else ""
    if network.prefixlen < _WIDE_6:
        return "" if any(network.subnet_of(local) for local in _LOCAL_6) else large
    for embedded, how in _EMBEDDED.items():
        if network.overlaps(embedded) and network.prefixlen < embedded.prefixlen + _WIDE_4:
            part = "all" if network.prefixlen <= embedded.prefixlen else "a large part"
            return f"{part} of IPv4, {how}"
    return ""


def _overlapping(s: Settings) -> Iterator[tuple[Key, str]]:
    networks = [network for _, network in s.trust.networks]
    for text, relay in s.trust.relays:
        both = [network for network in networks if network.version == relay.version and network.overlaps(relay)]
        if both:
            meaning = "mail from there is checked as a relay's, and not passed unchecked"
            yield (
                ("trust", "relays"),
                f'"{text}" overlaps "{both[0]}" of trust.networks: {meaning}; name it in one of them',
            )


def _times(s: Settings) -> Iterator[tuple[Key, str]]:
    if s.dns.budget < s.dns.timeout:
        text = (
            f"{s.dns.budget:g} s for all questions of a message are less than dns.timeout, {s.dns.timeout:g} s for one"
        )
        yield ("dns", "budget"), f'{text}: write "{5 * s.dns.timeout:g}s", or shorten dns.timeout'


def _policy(s: Settings) -> Iterator[tuple[Key, str]]:
    on = s.policy.on
    if on.arc_override is not None and not s.trust.sealers:
        text = "never acts, since trust.sealers is empty: name there whose seals count, or leave it out"
        yield ("policy", "on", "arc_override"), text
    if s.policy.mode is Mode.ENFORCE and on.dmarc_reject is Action.REJECT and on.temperror is Action.ACCEPT:
        text = (
            "a spoof with a forged signature of a dead selector is a temperror, and accepted where others are rejected"
        )
        yield ("policy", "on", "temperror"), f'{text}: write "tempfail"'


def _postfix(s: Settings, mynetworks: str) -> Iterator[tuple[Key, str]]:
    """Compare with Postfix's own networks: their mail has no SPF and no DKIM, and must not be refused."""
    key = ("trust", "networks")
    ours, others = _own_networks(mynetworks)
    wide = [network for network in dict.fromkeys(ours) if _width(network)]
    known = [network for _, network in (*s.trust.networks, *s.trust.relays)]
    missing = _not_within([n for n in ours if n not in wide], known)
    if wide:
        named = ", ".join(f'"{network}"' for network in wide[:_MOST_NAMED])
        text = "which is more than anybody's own networks, and lets all of it relay: narrow it in Postfix's main.cf"
        yield key, f"Postfix's mynetworks has {named}, {text}"
    if missing:
        named = ", ".join(f'"{network}"' for network in missing[:_MOST_NAMED])
        more = " and more" if len(missing) > _MOST_NAMED else ""
        yield (
            key,
            f"add {named}{more}: Postfix's own networks (mynetworks), whose mail mailvet {_CHECKED[s.policy.mode]}",
        )
    if others:
        named = ", ".join(others[:_MOST_NAMED]) + (" and more" if len(others) > _MOST_NAMED else "")
        yield key, f"Postfix's mynetworks also names {named}, which mailvet does not read: compare it yourself"


def _own_networks(mynetworks: str) -> tuple[list[Network], list[str]]:
    """Return the networks in Postfix's mynetworks, and the entries that are something else: exclusions, files, tables
    (postconf(5))."""
    networks: list[Network] = []
    others = []
    for entry in _entries(mynetworks):
        match = _ENTRY.fullmatch(entry)
        network = ip.network((match[3] or match[1] + (f"/{match[2]}" if match[2] else "")) if match else "")
        if not isinstance(network, Problem):
            networks.append(network)
        elif "\ufffd" not in entry:  # Postfix answers in text
            others.append(loggable(entry, _LONGEST_NAMED))
    return networks, others


def _entries(mynetworks: str) -> Iterator[str]:
    """Return the entries, separated by blanks and commas outside of braces; the text within braces is left out."""
    depth, entry = 0, ""
    for char in f"{mynetworks} ":
        if char == "}" and depth:
            depth -= 1
            entry += "" if depth else "...}"
        elif char == "{":
            entry += "" if depth else char
            depth += 1
        elif depth:
            continue
        elif char in " ,\t\r\n":
            if entry:
                yield entry
            entry = ""
        else:
            entry += char
    if entry:
        yield f"{entry}...}}"


def _not_within(networks: Sequence[Network], known: Sequence[Network]) -> list[Network]:
    """Return those of `networks` that `known` does not cover, each once."""
    known_4 = list(ipaddress.collapse_addresses(n for n in known if isinstance(n, ipaddress.IPv4Network)))
    known_6 = list(ipaddress.collapse_addresses(n for n in known if isinstance(n, ipaddress.IPv6Network)))
    found = []
    for network in dict.fromkeys(networks):
        if isinstance(network, ipaddress.IPv4Network):
            covered = any(network.subnet_of(wider) for wider in known_4)
        else:
            covered = any(network.subnet_of(wider) for wider in known_6)
        if not covered:
            found.append(network)
    return found
