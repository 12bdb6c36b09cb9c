"""faulty – `mailvet` with one function of its own that raises: `python -m lab.faulty CONTROL serve --config FILE`.

CONTROL is a JSON file that a worker reads when a connection and when a message begins:

    {"functions": ["header.edits.scrub"], "raised": "MemoryError", "step": "header", "from": 2}

The functions raise on the threads that answer Postfix, in each call from the given one on, within that step (any, where
it is left out). {"context": "addheader", "from": 2} has libmilter refuse; {"record": true} has the functions that are
called written to CONTROL.calls.
"""

import builtins
import contextlib
import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import injection
from mailvet.commands import cli
from mailvet.daemon import callbacks, connections
from mailvet.daemon.guard import Callback


class Faults:
    """Wraps libmilter's callbacks, so that what the control file orders happens in them."""

    def __init__(self, control: Path) -> None:
        self._control, self._text = control, ""
        self._armed = contextlib.ExitStack()
        self._step = ""
        self._order: dict[str, Any] = {}
        self._called: dict[str, None] = {}

    def make_callbacks(self, *arguments: Any) -> dict[str, Callback]:
        """Like the daemon's own function, which it takes the place of."""
        return {name: self._wrapped(name, step) for name, step in _make_callbacks(*arguments).items()}

    def _wrapped(self, name: str, step: Callback) -> Callback:
        def callback(*arguments: Any) -> int:
            if name in ("negotiate", "mail"):
                self._read()
            self._step = name
            refused = self._order.get("context")
            if refused is not None and name == "end of message":
                return step(Refusing(arguments[0], refused, self._order.get("from", 1)))
            return step(*arguments)

        return callback

    def _read(self) -> None:
        text = self._control.read_text()
        if text == self._text:
            return
        self._text, self._order = text, json.loads(text)
        order = self._order
        self._armed.close()
        if self._called:
            self._control.with_suffix(".calls").write_text("\n".join(self._called))
            self._called = {}
        if order.get("record"):
            for name, function in injection.functions().items():
                self._armed.enter_context(injection.at_call(function, functools.partial(self._note, name)))
        for name in order.get("functions", ()):
            fault = self._fault(getattr(builtins, order["raised"]), order.get("step", ""), order.get("from", 1))
            self._armed.enter_context(injection.at_call(injection.functions()[name], fault))

    def _note(self, name: str) -> None:
        if self._answers():
            self._called[name] = None

    def _answers(self) -> bool:
        """Return whether this thread answers Postfix."""
        return hasattr(connections.current, "session") or self._step == "negotiate"

    def _fault(self, raised: type[BaseException], step: str, first: int) -> Callable[[], None]:
        calls = 0

        def fault() -> None:
            nonlocal calls
            if self._answers() and step in ("", self._step):
                calls += 1
                if calls >= first:
                    raise raised("injected")

        return fault


class Refusing:
    """libmilter's context, of which one function fails from the given call on."""

    def __init__(self, context: Any, name: str, first: int) -> None:
        self._context, self._name, self._left = context, name, first

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            self._left -= 1
            if self._left <= 0:
                raise OSError(f"cannot {name}")
        return getattr(self._context, name)


_make_callbacks = callbacks.make_callbacks
if __name__ == "__main__":
    setattr(callbacks, "make_callbacks", Faults(Path(sys.argv[1])).make_callbacks)  # noqa: B010 - for strict types
    sys.exit(cli.main(sys.argv[2:]))
