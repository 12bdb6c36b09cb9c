"""cli – reads the command line, loads the configuration, and hands both to one of the commands.

Exit statuses: 0 fine, 1 a finding or a failed check, 2 usage or configuration.

Raises     SystemExit, by argparse
Not here   what the commands do: one file for each
"""

import argparse
import io
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from mailvet import __version__
from mailvet.commands import config as commands_config
from mailvet.commands.output import say
from mailvet.config import load as config
from mailvet.config.mistakes import Mistake
from mailvet.observe.logs import complain
from mailvet.settings import Settings


def main(argv: list[str] | None = None) -> int:
    """Run `mailvet` with these arguments and return its exit status; the console script."""
    arguments = _parser().parse_args(argv)
    if arguments.run is not _serve:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `mailvet check ... | head` is not an error
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal has our dashes
    try:
        settings = config.load(arguments.config)
    except config.ConfigError as e:
        return _complain(e.mistakes)
    try:
        return int(arguments.run(arguments, settings))
    except KeyboardInterrupt:  # Ctrl-C is not a bug
        return 128 + signal.SIGINT


def _complain(mistakes: Iterable[Mistake]) -> int:
    for mistake in mistakes:
        complain(str(mistake))
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mailvet", description="Find out who really sent each inbound message.")
    parser.add_argument("--version", action="version", version=f"mailvet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help=f"default: {config.DEFAULT_PATH}, if it is there")

    serve = commands.add_parser("serve", parents=[common], help="the daemon, in the foreground")
    serve.set_defaults(run=_serve)

    check = commands.add_parser("check", parents=[common], help="explain one message")
    check.add_argument("message", metavar="MESSAGE", help='a file, or "-" for standard input')
    check.add_argument("--ip", metavar="A", help="client address; default: from the topmost Received field")
    check.add_argument("--helo", metavar="N", help="its HELO name; default: likewise")
    check.add_argument("--mail-from", metavar="A", help='envelope sender, "" for none; default: from Return-Path')
    check.add_argument("--json", action="store_true", help="for programs")
    check.add_argument("--record", type=Path, metavar="FILE", help="store all DNS answers")
    check.add_argument("--replay", type=Path, metavar="FILE", help="ask no DNS: answer from a recording")
    check.set_defaults(run=_check)

    conf = commands.add_parser("config", help="the configuration")
    actions = conf.add_subparsers(required=True, metavar="check|show")
    verify = actions.add_parser(
        "check", parents=[common], help="every mistake at once; what is hardly meant, as warnings"
    )
    verify.set_defaults(run=_config_check)
    show = actions.add_parser("show", parents=[common], help="the effective values")
    show.add_argument("--json", action="store_true", help="for programs")
    show.set_defaults(run=_config_show)

    breach = commands.add_parser("breach", parents=[common], help="one look-up: what leaves the host, what comes back")
    breach.add_argument("address", metavar="ADDRESS")
    breach.add_argument("--json", action="store_true", help="for programs")
    breach.set_defaults(run=_breach)
    return parser


def _serve(arguments: argparse.Namespace, settings: Settings) -> int:
    from mailvet.commands import serve  # each command loads only what it needs

    return serve.run(arguments, settings)


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    from mailvet.commands import check, explain

    try:
        message = sys.stdin.buffer.read() if arguments.message == "-" else Path(arguments.message).read_bytes()
        replay = arguments.replay.read_text("utf-8", "replace") if arguments.replay else None
        request = check.Request(
            message=message, ip=arguments.ip, helo=arguments.helo, mail_from=arguments.mail_from, replay=replay
        )
        result = check.run(request, settings)
        if arguments.record:
            arguments.record.write_text(result.recording(), "utf-8")
    except (OSError, ValueError) as e:
        complain(str(e))
        return 2
    say(result.as_json() if arguments.json else explain.text(result))
    return 1 if result.finding else 0


def _config_check(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what is doubtful. The status stays 0, or `systemctl reload` would stop at a warning."""
    if mistakes := config.unusable(settings, arguments.config):
        return _complain(mistakes)
    say(commands_config.check(settings, arguments.config))
    return 0


def _config_show(arguments: argparse.Namespace, settings: Settings) -> int:
    say(commands_config.show(settings, as_json=arguments.json))
    return 0


def _breach(arguments: argparse.Namespace, settings: Settings) -> int:
    from mailvet.commands import breach

    done = breach.look_up(arguments.address, settings)
    say(breach.as_json(done) if arguments.json else breach.as_text(done))
    return done.status
