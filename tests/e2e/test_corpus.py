"""A signed corpus made from a random seed: SPF, DKIM and DMARC as its making implies, for every message.

The generator is not part of the project; where it is missing, these tests are skipped. The seed is printed when a
test fails; MAILVET_SEED repeats it.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.rdatatype
import dns.zone
import pytest
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A

from lab.daemon import Daemon
from lab.dnsserver import DnsServer
from lab.letter import Letter
from lab.mail_system import Lab
from lab.milterclient import MilterClient
from lab.paths import SHARED
from lab.world import Zone

GENERATOR = SHARED / "lab" / "corpus.py"
MESSAGES, DOMAINS = 120, 24


@dataclass
class Corpus:
    seed: int
    daemon: Daemon
    messages: list[tuple[bytes, dict[str, Any]]]


def read_zone(file: Path) -> Zone:
    """A master file as the dictionary that our name server wants."""
    zone: Zone = {}
    for name, ttl, rdata in dns.zone.from_file(str(file), relativize=False).iterate_rdatas():
        kind = dns.rdatatype.to_text(rdata.rdtype)
        values = zone.setdefault(name.to_text(omit_final_dot=True).lower(), {"ttl": ttl})
        if isinstance(rdata, TXT):
            values.setdefault(kind, []).append(b"".join(rdata.strings))
        elif isinstance(rdata, MX):
            values.setdefault(kind, []).append([rdata.preference, rdata.exchange.to_text()])
        elif isinstance(rdata, A):
            values.setdefault(kind, []).append(rdata.address)
    return zone


@pytest.fixture(scope="module", params=["first", "second"])
def corpus(request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    if not GENERATOR.exists():
        pytest.skip(f"{GENERATOR} is not there")
    seed = int(os.environ.get("MAILVET_SEED") or random.SystemRandom().randrange(1 << 31))
    print(f"MAILVET_SEED={seed}")
    out = tmp_path_factory.mktemp("corpus")
    arguments = ["--seed", str(seed), "--messages", str(MESSAGES), "--domains", str(DOMAINS)]
    subprocess.run([sys.executable, str(GENERATOR), str(out), *arguments], check=True, timeout=120, capture_output=True)
    envelopes = json.loads((out / "envelopes.json").read_text())
    messages = [((out / "messages" / envelope["file"]).read_bytes(), envelope) for envelope in envelopes]
    config = "[trust]\nnetworks = []\n"
    with DnsServer(read_zone(out / "zone.db")) as server, lab.daemon("corpus", config, dns=server.address) as daemon:
        yield Corpus(seed, daemon, messages)


def wrong(raw_results: Letter, envelope: dict[str, Any]) -> str:
    """What differs from what the corpus expects; "" if nothing does."""
    expect = envelope["expect"]
    found = {
        "spf": raw_results.verdict("spf"),
        "dkim": sorted(raw_results.all("dkim")),
        "dmarc": raw_results.verdict("dmarc"),
    }
    wanted = {"spf": expect["spf"], "dkim": sorted(expect["dkim"]) or ["none"], "dmarc": expect["dmarc"]}
    return "" if found == wanted else f"{envelope['file']}: {found}, not {wanted}"


def by_socket(corpus: Corpus, job: tuple[bytes, dict[str, Any]]) -> str:
    raw, envelope = job
    with MilterClient(corpus.daemon.socket) as client:
        client.connect(envelope["ip"], helo=envelope["helo"].encode())
        answer = client.message(envelope["mail_from"].encode(), raw)
    if not answer.accepted:
        return f"{envelope['file']}: {answer}"
    _, name, value = answer.inserted[0]
    field = f"{name}:{value}".replace("\n", "\r\n")
    return wrong(Letter(field.encode() + b"\r\n\r\n"), envelope)


def through_postfix(lab: Lab, job: tuple[bytes, dict[str, Any]]) -> str:
    raw, envelope = job
    mail_from, address, helo = envelope["mail_from"], envelope["ip"], envelope["helo"]
    receipt = lab.send("corpus", mail_from=mail_from, message=raw, address=address, helo=helo)
    letter = lab.letter(receipt)
    if not letter.raw.endswith(raw):
        return f"{envelope['file']}: was changed"
    return wrong(letter, envelope)


def differences(corpus: Corpus, check: Any) -> str:
    with ThreadPoolExecutor(4) as pool:
        found = [difference for difference in pool.map(check, corpus.messages) if difference]
    return "\n".join([f"MAILVET_SEED={corpus.seed}", *found]) if found else ""


def test_over_the_milter_socket(corpus: Corpus) -> None:
    assert differences(corpus, lambda job: by_socket(corpus, job)) == ""


def test_through_postfix(lab: Lab, corpus: Corpus) -> None:
    assert differences(corpus, lambda job: through_postfix(lab, job)) == ""
