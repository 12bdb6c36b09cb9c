"""The README's "Why is this mail in quarantine?", asked of a message that a real Postfix holds."""

import json
import subprocess
from pathlib import Path

from lab import world
from lab.daemon import command, environment
from lab.mail_system import Lab

SPOOF = world.letter("Your bank <service@bank.example>")


def test_a_held_message_is_explained_by_its_queue_file(lab: Lab, tmp_path: Path) -> None:
    receipt = lab.send("quarantine", mail_from="a@attack.example", message=SPOOF, address=world.STRANGER)
    queue_id = receipt.reply.queue_id
    assert lab.held(queue_id) is not None
    config = tmp_path / "mailvet.toml"
    config.write_text(
        f'authserv_id = "mx.example.org"\n[dns]\nnameservers = ["{lab.dns.address}"]\n[policy]\nmode = "quarantine"\n'
    )
    done = subprocess.run(
        command("check", "--config", str(config), "--json", "-"),
        input=lab.postfix.queued(queue_id), check=False, capture_output=True, env=environment(), timeout=60,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["envelope"]["address"] == world.STRANGER
    assert found["envelope"]["mail_from"] == "a@attack.example"
    assert found["envelope"]["helo"] == world.HOST_NAME
    assert found["report"]["dmarc"]["result"] == "fail"
    assert found["disposition"]["action"] == "quarantine"
