"""The demo without Postfix shows what it shows with it."""

from collections.abc import Iterator

import pytest

from lab import world
from lab.letter import Letter
from lab.mail_system import Lab
from lab.postfix_standin import StandIn
from scripts.demo import SCENES, Scene


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn(world.zone()) as running:
        yield running


def _seen(lab: Lab, scene: Scene, message: bytes) -> tuple[int, list[bytes], bool]:
    """The reply's code, the fields but for Received, and whether the message is held."""
    sent = lab.send(scene.mode, mail_from=scene.mail_from, message=message, address=scene.address, helo=scene.helo)
    if sent.reply.code != 250:
        return sent.reply.code, [], False
    held = lab.held(sent.reply.queue_id)
    fields = (Letter(held) if held else lab.letter(sent)).fields
    shown = [field for field in fields if field.lower().startswith((b"authentication-results", b"from"))]
    return sent.reply.code, shown, bool(held)


@pytest.mark.parametrize("scene", [s for s in SCENES if s.mode != "breach"], ids=lambda scene: scene.title)
def test_the_stand_in_shows_what_postfix_would(lab: Lab, stand_in: StandIn, scene: Scene) -> None:
    message = scene.message()
    assert _seen(stand_in, scene, message) == _seen(lab, scene, message)
