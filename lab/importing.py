"""importing – what mailvet's modules do when they are imported: `python -m lab.importing MODULE ...` prints it.

Each file, directory, socket or process that is opened, read, made or changed, and each environment variable that is
read, is a line with the place in mailvet. Left out are what other libraries do when they are imported themselves, and
what pydantic looks for when a model is made: its plugins, among what is installed.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mailvet

_PACKAGE = str(Path(mailvet.__file__).parent)
_INSTALLED = tuple(path for path in sys.path if path and Path(path, "mailvet") != Path(_PACKAGE))
_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_READS = {"open", "os.listdir", "os.scandir"}
# Events of Python's own work with code and objects; all others reach outside the process, or change it
_INNER = {"builtins", "code", "compile", "cpython", "exec", "gc", "import", "marshal", "object", "pickle", "sys"}


def our_place() -> str:
    """Return the line of mailvet that does it, "" for what another module does while that is being imported."""
    frame = inspect.currentframe()
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            return ""
        if file.startswith(_PACKAGE):
            return f"{Path(file).relative_to(_PACKAGE)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def reads_what_is_installed(event: str, arguments: tuple[Any, ...]) -> bool:
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    return event in _READS and not writes and str(arguments[0]).startswith(_INSTALLED)


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Be Python's audit hook (sys.addaudithook)."""
    if event.split(".")[0] in _INNER or reads_what_is_installed(event, arguments):
        return
    if place := our_place():
        print(place, event, *arguments)


def watched(read: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
    """Return the environment's `__getitem__`, through which all reading goes, with a line for each."""

    def reading(environment: Any, name: str) -> str:
        if name != _PLUGINS and (place := our_place()):
            print(place, "environment", name)
        return read(environment, name)

    return reading


if __name__ == "__main__":
    kind = type(os.environ)
    setattr(kind, "__getitem__", watched(kind.__getitem__))  # noqa: B010 - for strict types
    sys.addaudithook(watch)
    for module in sys.argv[1:]:
        importlib.import_module(module)
