"""openspf – reads the conformance suite of openspf.org for RFC 7208 (tests/suites/openspf) as cases with their zones.

Raises     what reading the file raises
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from lab.paths import REPO
from lab.zone import Zone
from mailvet.ports import Trouble

_FILE = REPO / "tests" / "suites" / "openspf" / "rfc7208-tests.yml"


class Case(NamedTuple):
    name: str
    client: str
    helo: str
    mail_from: str
    results: tuple[str, ...]  # any of them is right
    zone: Zone


def cases() -> Iterator[Case]:
    for scenario in yaml.safe_load_all(_FILE.read_text("utf-8")):
        names = {name.lower(): records for name, records in scenario["zonedata"].items()}
        zone = {name: _types(names, name) for name in names}
        for name, test in scenario["tests"].items():
            results = test["result"] if isinstance(test["result"], list) else [test["result"]]
            where = f"{scenario['description']}: {name} ({test['spec']})"
            yield Case(where, test["host"], test["helo"], test["mailfrom"] or "", tuple(results), Zone(zone))


def _types(names: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what a resolver answers for a name, by type: aliases are followed, a loop of them has no records."""
    seen = set()
    while name not in seen and (alias := next((r["CNAME"] for r in names.get(name, ()) if "CNAME" in r), None)):
        seen.add(name)
        name = alias.lower().rstrip(".")
    types: dict[str, Any] = {}
    for record in names.get(name, ()):
        if record == "TIMEOUT":  # whatever else is asked of the name
            return {kind: types.get(kind) or Trouble.TIMEOUT for kind in ("TXT", "A", "AAAA", "MX", "PTR")}
        [(kind, value)] = record.items()
        if kind == "MX":
            types.setdefault(kind, []).append((value[0], value[1].rstrip(".")))
        elif kind in ("TXT", "SPF"):
            text = value if isinstance(value, str) else "".join(value)
            types.setdefault(kind, []).extend([] if text == "NONE" else [text.encode("latin-1")])
        elif kind != "CNAME":
            types.setdefault(kind, []).append(value.rstrip("."))
    types.setdefault("TXT", types.get("SPF", []))  # the suite's rule: type SPF stands for TXT unless there is one
    return types
