"""config_warnings – settings that are valid, and that an operator hardly ever means.

`warnings(settings, mynetworks)` lists them as (key, what it does and what to write instead). Nothing here
stops a start or a reload.

Raises     nothing
Not here   what cannot work (config_rules); asking Postfix for mynetworks (adapters.postconf)
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mailvet import ip
from mailvet.config_rules import Key, split_server
from mailvet.settings import Mode, Settings

_WIDE_4: Final = 8  # shorter prefixes are nobody's own network
_WIDE_6: Final = 16
_LOCAL_6: Final = (ipaddress.IPv6Network("fc00::/7"), ipaddress.IPv6Network("fe80::/10"))
_EVERYWHERE: Final = ("", "0.0.0.0", "::", "[::]")
_LISTEN: Final = re.compile(r"inet6?:(\d+)(?:@(\S+))?")
_ENTRY: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?:/(\d{1,3}))?|([0-9.]+(?:/\d{1,2})?)")
_MOST_NAMED: Final = 20
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
        *_times(settings),
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
    if listen and (listen[2] or "") in _EVERYWHERE:
        text = f"{s.milter.listen} listens on all addresses: who reaches it can fill the log and make us ask the DNS"
        yield ("milter", "listen"), f'{text}; write "inet:{listen[1]}@127.0.0.1"'
    metrics = split_server(s.metrics.listen, None) if s.metrics.listen else None
    if metrics and not ipaddress.ip_address(metrics[0]).is_loopback:
        text = f"{s.metrics.listen} tells everybody who reaches it how much mail of which kind comes in"
        better = f'write "127.0.0.1:{metrics[1]}", or let only the monitoring host through the firewall'
        yield ("metrics", "listen"), f"{text}: {better}"


def _wide(s: Settings) -> Iterator[tuple[Key, str]]:
    said = {
        "networks": "mail from there is not checked at all: name your own networks only",
        "relays": "every client there may say who sent a message: name your own relays only",
    }
    for key, meaning in said.items():
        for text in getattr(s.trust, key):
            network = _network(text)
            if network is not None and _is_wide(network):
                yield ("trust", key), f'"{text}" is a large part of the Internet, and {meaning}'


def _is_wide(network: ip.Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return network.prefixlen < _WIDE_4
    return network.prefixlen < _WIDE_6 and not any(network.subnet_of(local) for local in _LOCAL_6)


def _times(s: Settings) -> Iterator[tuple[Key, str]]:
    if s.dns.budget < s.dns.timeout:
        text = (
            f"{s.dns.budget:g} s for all questions of a message are less than dns.timeout, {s.dns.timeout:g} s for one"
        )
        yield ("dns", "budget"), f'{text}: write "{5 * s.dns.timeout:g}s", or shorten dns.timeout'


def _house(s: Settings, mynetworks: str) -> Iterator[tuple[Key, str]]:
    """Mail from Postfix's own networks is the house's: it has no SPF and no DKIM, and must not be refused."""
    key = ("trust", "networks")
    ours, tables = _own_networks(mynetworks)
    missing = _not_within(ours, [*s.trust.networks, *s.trust.relays])
    if missing:
        named = ", ".join(f'"{network}"' for network in missing[:_MOST_NAMED])
        more = " and more" if len(missing) > _MOST_NAMED else ""
        yield (
            key,
            f"add {named}{more}: Postfix's own networks (mynetworks), whose mail mailvet {_CHECKED[s.policy.mode]}",
        )
    if tables:
        named = ", ".join(tables)
        yield key, f"Postfix's mynetworks also names {named}, which mailvet does not read: compare it yourself"


def _own_networks(mynetworks: str) -> tuple[list[ip.Network], list[str]]:
    """postconf(5): addresses and networks, IPv6 in brackets; "!" excludes; files and tables, which are only named."""
    networks: list[ip.Network] = []
    tables = []
    for entry in mynetworks.replace(",", " ").split():
        match = _ENTRY.fullmatch(entry)
        network = _network((match[3] or match[1] + (f"/{match[2]}" if match[2] else "")) if match else "")
        if network is not None:
            networks.append(network)
        elif (
            "/" in entry and not match and not entry.startswith("!")
        ):  # a file, or a table as in hash:/etc/postfix/nets
            tables.append(entry)
    return networks, tables


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
