#!/usr/bin/env python3
"""The command line of this installation: `manage.py serve`, `manage.py fuse`, and Django's own commands."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

INTERRUPTED = 130


def main(arguments: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fusion_site.settings")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows few characters ends no command
    adopt_address(arguments)
    try:
        from django.conf import settings  # so that a missing Django gets its sentence
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as exc:
        sys.exit(f"{exc.name} is not installed for {sys.executable}: start with `make run`, or use .venv/bin/python.")
    try:
        getattr(settings, "INSTALLED_APPS")  # noqa: B009 - loads the settings: what is wrong with them shows here
    except ImproperlyConfigured as exc:
        sys.exit(str(exc))
    execute_from_command_line(arguments)


def adopt_address(arguments: list[str]) -> None:
    """`serve --host --port` decide like HOST and PORT, from which the settings derive the site's address."""
    if arguments[1:2] != ["serve"]:
        return
    for option, variable in (("--host", "HOST"), ("--port", "PORT")):
        for index, argument in enumerate(arguments):
            if argument == option and index + 1 < len(arguments):
                os.environ[variable] = arguments[index + 1]
            elif argument.startswith(f"{option}="):
                os.environ[variable] = argument.partition("=")[2]


def end_if_interrupted(ignored: UnraisableHookArgs) -> None:
    """A Ctrl-C is obeyed also where Python drops every exception, as in the callbacks that imports run."""
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        os._exit(INTERRUPTED)
    sys.__unraisablehook__(ignored)


if __name__ == "__main__":
    sys.unraisablehook = end_if_interrupted
    try:
        main(sys.argv)
    except KeyboardInterrupt:  # while things were still being imported, or in a command that has nothing to put away
        sys.exit(INTERRUPTED)
