"""warnings – settings that are valid, and that an operator hardly ever means.

`warnings(settings, mynetworks)` lists them as (key, what it does and what to write instead). Nothing here
stops a start or a reload.

Raises     nothing
Not here   what cannot work (config.rules); asking Postfix for mynetworks (config.postconf)
"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mailvet.config.rules import Key
from mailvet.outcome import Action
from mailvet.settings import Mode, Settings
from mailvet.syntax import endpoint, ip
from mailvet.text import loggable

_WIDE_4: Final = 8  # shorter prefixes are nobody's own network
_WIDE_6: Final = 16
_LOCAL_6: Final = (ipaddress.IPv6Network("fc00::/7"), ipaddress.IPv6Network("fe80::/10"))
# IPv6 that stands for IPv4: with 8 bits more it is as wide as IPv4's /8
_EMBEDDED: Final = {
    ipaddress.IPv6Network("64:ff9b::/96"): "by NAT64",
    ipaddress.IPv6Network("2002::/16"): "by 6to4",
    ipaddress.IPv6Network("::/96"): "in its old form",
}
_LISTEN: Final = re.compile(r"inet6?:(\d+)(?:@(\S+))?")
_ENTRY: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?:/(\d{1,3}))?|([0-9.]+(?:/\d{1,2})?)")
_MOST_NAMED: Final = 20
_LONGEST_NAMED: Final = 80
_CHECKED: Final = {
    Mode.MARK: "checks like a stranger's, and could refuse in mode enforce",
    Mode.QUARANTINE: "checks like a stranger's, and may put on hold",
    Mode.ENFORCE: "checks like a stranger's, and may refuse",
}


def warnings(settings: Settings, mynetworks: str = "") -> list[tuple[Key, str]]:
    """`mynetworks`: this host's Postfix's, expanded, if there is one."""
    return [
        *_names(settings),
        *_listening(settings),
        *_wide(settings),
        *_overlapping(settings),
        *_times(settings),
        *_policy(settings),
        *_house(settings, mynetworks),
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
    listen = _LISTEN.fullmatch(s.milter.listen)
    if listen and _is_everywhere(listen[2] or ""):
        text = f"{s.milter.listen} listens on all addresses: who reaches it can fill the log and make us ask the DNS"
        yield ("milter", "listen"), f'{text}; write "inet:{listen[1]}@127.0.0.1"'
    metrics = endpoint.parse(s.metrics.listen, None) if s.metrics.listen else None
    if metrics and not ipaddress.ip_address(metrics[0]).is_loopback:
        text = f"{s.metrics.listen} tells everybody who reaches it how much mail of which kind comes in"
        better = f'write "127.0.0.1:{metrics[1]}", or let only the monitoring host through the firewall'
        yield ("metrics", "listen"), f"{text}: {better}"


def _is_everywhere(host: str) -> bool:
    """Also as C libraries read it: 0, 0.0, 00.0.0.0."""
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
        for text in getattr(s.trust, key):
            network = _network(text)
            width = _width(network) if network is not None else ""
            if width:
                yield ("trust", key), f'"{text}" is {width}, and {meaning}'


def _width(network: ip.Network) -> str:
    """What it is that is nobody's own; "" where it may be."""
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
    networks = [network for network in map(_network, s.trust.networks) if network is not None]
    for text in s.trust.relays:
        relay = _network(text)
        both = [n for n in networks if relay is not None and n.version == relay.version and n.overlaps(relay)]
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


def _house(s: Settings, mynetworks: str) -> Iterator[tuple[Key, str]]:
    """Mail from Postfix's own networks is the house's: it has no SPF and no DKIM, and must not be refused."""
    key = ("trust", "networks")
    ours, others = _own_networks(mynetworks)
    wide = [network for network in dict.fromkeys(ours) if _width(network)]
    missing = _not_within([n for n in ours if n not in wide], [*s.trust.networks, *s.trust.relays])
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


def _own_networks(mynetworks: str) -> tuple[list[ip.Network], list[str]]:
    """postconf(5): addresses and networks, IPv6 in brackets; and what is only named: exclusions, files and tables."""
    networks: list[ip.Network] = []
    others = []
    for entry in _entries(mynetworks):
        match = _ENTRY.fullmatch(entry)
        network = _network((match[3] or match[1] + (f"/{match[2]}" if match[2] else "")) if match else "")
        if network is not None:
            networks.append(network)
        elif "\ufffd" not in entry:  # what is no text is not Postfix's answer
            others.append(loggable(entry, _LONGEST_NAMED))
    return networks, others


def _entries(mynetworks: str) -> Iterator[str]:
    """Parted by blanks and commas outside of braces; what stands in them is left out."""
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


def _not_within(networks: Sequence[ip.Network], trusted: Iterable[str]) -> list[ip.Network]:
    """Those of `networks` that are not covered, each once."""
    known = [network for network in map(_network, trusted) if network is not None]
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


def _network(text: str) -> ip.Network | None:
    try:
        return ip.network(text)
    except ValueError:
        return None
