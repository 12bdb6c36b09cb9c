"""demo – shows what a recipient behind mailvet sees: nine messages through a small mail system on loopback.

`make demo` runs it. Name server, Postfix and mailvet are started for it alone and ended with it. Postfix's master
starts only as root; for anybody else a stand-in speaks to mailvet in its place.
"""

import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab import postfix, world
from lab.breach_scene import flagging
from lab.letter import Letter
from lab.mail_system import Lab
from lab.postfix_standin import StandIn

COLOURS = {"pass": "32", "fail": "31", "permerror": "31", "softfail": "33", "none": "90", "temperror": "33"}
WIDTH = 96


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One message with its sender, and the words that explain it."""

    title: str
    story: str
    mode: str  # mark | quarantine | enforce | breach: which mailvet it goes through
    message: Callable[[], bytes]
    mail_from: str
    address: str = world.HOST
    helo: str = world.HOST_NAME


def signed_letter() -> bytes:
    return world.signed(world.letter("Ann <ann@signed.example>", subject="Minutes of the meeting"), b"signed.example")


def spoof() -> bytes:
    return world.letter("Your bank <service@bank.example>", subject="Please confirm your account")


SCENES = (
    Scene(
        title="A signed message",
        story="The DKIM signature is by the author's own domain. Forwarders may change the envelope: it still counts.",
        mode="enforce",
        message=signed_letter,
        mail_from="bounce@newsletter.example",
    ),
    Scene(
        title="An unsigned message from an authorised server",
        story="No signature, but the domain's SPF record names this server, and the author is of the same domain.",
        mode="enforce",
        message=lambda: world.letter("News <news@newsletter.example>", subject="This week"),
        mail_from="bounce@newsletter.example",
    ),
    Scene(
        title="A spoof, and the domain's owner asks for rejection (p=reject)",
        story="A stranger writes as the bank. mode = enforce and dmarc_reject = reject: it is refused.",
        mode="enforce",
        message=spoof,
        mail_from="service@bank.example",
        address=world.STRANGER,
        helo="pc.stranger.example",
    ),
    Scene(
        title="The same spoof in quarantine mode",
        story="Nothing is refused; Postfix holds the message for a person to look at.",
        mode="quarantine",
        message=spoof,
        mail_from="service@bank.example",
        address=world.STRANGER,
        helo="pc.stranger.example",
    ),
    Scene(
        title="A message changed on its way",
        story="A line was added to the signed text. mode = mark: delivered, and the verdict says it.",
        mode="mark",
        message=lambda: signed_letter() + b"PS: our bank account has changed.\r\n",
        mail_from="list@newsletter.example",
    ),
    Scene(
        title="A sender who writes our verdict himself",
        story="Three forged Authentication-Results in our name are removed. The one by another host stays.",
        mode="mark",
        message=lambda: (
            b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n"
            b"authentication-results : (hi) MX.example.ORG 1; spf=pass smtp.mailfrom=bank.example\r\n"
            b'Authentication-Results: "mx.example\\.org";\r\n\tdkim=pass header.d=bank.example\r\n'
            b"Authentication-Results: mail.example.net; spf=pass smtp.mailfrom=bank.example\r\n" + spoof()
        ),
        mail_from="service@bank.example",
        address=world.STRANGER,
        helo="pc.stranger.example",
    ),
    Scene(
        title="Two From fields",
        story="Programs differ on which one they show, so neither counts: an ambiguous author is a verdict of its own.",
        mode="mark",
        message=lambda: b"From: Ann <ann@signed.example>\r\n" + spoof(),
        mail_from="ann@signed.example",
    ),
    Scene(
        title="A sender whose password was leaked lately",
        story="DMARC passed, so the address is looked up by six digits of its SHA-1. A hint for the reader, no more.",
        mode="breach",
        message=signed_letter,
        mail_from="ann@signed.example",
    ),
    Scene(
        title="A spoof of the same sender",
        story="Nobody authenticated it, so nobody is asked about it; the copied hint is removed.",
        mode="breach",
        message=lambda: (
            b"Sender-Breach-Info: mx.example.org; result=not-listed; source=haveibeenpwned.com\r\n"
            + world.letter("Ann <ann@signed.example>", subject="New bank account")
        ),
        mail_from="ann@signed.example",
        address=world.STRANGER,
        helo="pc.stranger.example",
    ),
)


def paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


def show(number: int, scene: Scene, lab: Lab) -> None:
    print(paint(f"\n{number}. {scene.title}", "1"))
    print(textwrap.fill(scene.story, WIDTH, initial_indent="   ", subsequent_indent="   "))
    message = scene.message()
    sent = lab.send(scene.mode, mail_from=scene.mail_from, message=message, address=scene.address, helo=scene.helo)
    for field in Letter(message).fields:
        if _is_shown(field):
            _lines("sent", field, "90")
    if sent.reply.code != 250:
        print(f"   {'answer':>9}  {paint(f'{sent.reply.code} {sent.reply.text}', '31')}")
        print(f"   {'seen':>9}  nothing: the message was refused, and its sender knows why")
        return
    held = lab.held(sent.reply.queue_id) if scene.mode != "mark" else None
    print(f"   {'answer':>9}  250 {sent.reply.text}" + (paint("  (in the hold queue)", "33") if held else ""))
    letter = Letter(held) if held else lab.letter(sent)
    for field in letter.fields:
        if _is_shown(field):
            _lines("held" if held else "seen", field, "")
    print(f"   {'in short':>9}  " + ", ".join(_verdicts(letter)))


def _is_shown(field: bytes) -> bool:
    return field.lower().startswith((b"authentication-results", b"from", b"subject", b"sender-breach-info"))


def _lines(label: str, field: bytes, colour: str) -> None:
    for line in field.decode("utf-8", "replace").replace("\t", " ").split("\r\n"):
        print(f"   {label:>9}  {paint(line, colour) if colour else line}")
        label = ""


def _verdicts(letter: Letter) -> Iterator[str]:
    for method in ("spf", "dkim", "dmarc"):
        verdict = letter.verdict(method)
        yield f"{method} {paint(verdict, COLOURS.get(verdict, '33'))}"


def run() -> None:
    started = time.monotonic()
    kind, mta = (Lab, "a Postfix") if not postfix.missing() else (StandIn, "a stand-in for Postfix")
    print(f"Starting a name server, a HIBP look-alike, four mailvets and {mta}, all on loopback ...")
    with kind(world.zone(), spare=("breach",)) as lab, flagging(lab, {"ann@signed.example": ["Fresh"]}) as (hibp, _):
        for number, scene in enumerate(SCENES, 1):
            show(number, scene, lab)
        print(f"\nAll that the HIBP look-alike was asked about senders: {' '.join(hibp.ranges)}")
    print(f"\nThat was it, in {time.monotonic() - started:.0f} seconds; everything that was started has ended.")


def _interrupted(_signal: int, _frame: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # what was started is being ended
    raise KeyboardInterrupt


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    try:
        run()
    except KeyboardInterrupt:
        print("\nInterrupted; everything that was started has ended.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
