"""Reading the environment: every wrong value becomes one sentence, never a traceback.

A value that cannot be used is replaced by its default and remembered in `problems`; the system check of this package
turns the problems into errors, so that no command runs on a setting that somebody meant differently.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from email.utils import parseaddr
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

from dotenv.parser import Binding, parse_stream

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
EVERY_INTERFACE = ("0.0.0.0", "::", "*")  # noqa: S104 - recognised, not bound

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")

_YES = ("1", "on", "true", "yes")
_NO = ("0", "off", "false", "no")


class Sealed(dict[str, str]):
    """A mapping whose values appear in no repr, so in no report of settings either."""

    def __repr__(self) -> str:
        return f"<{len(self)} sealed values>"


class Environment:
    """Variables by name; what the process was given comes before the file, an empty value is no value."""

    def __init__(self, given: Mapping[str, str], file: Path | None = None) -> None:
        self.problems: list[str] = []
        self._read_names: set[str] = {"FUSION_ENV_FILE"}
        self._given = given
        self._file = self._read(file)

    def text(self, name: str, default: str = "") -> str:
        self._read_names.add(name)
        return self._given.get(name, "").strip() or self._file.get(name, "").strip() or default

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name).lower()
        if value in _YES:
            return True
        if value and value not in _NO:
            self.problems.append(f"{name} is “{_shown(value)}”: write on or off.")
            return default
        return False if value else default

    def number(self, name: str, default: int, *, minimum: int = 0, maximum: int) -> int:
        value = self.text(name, str(default))
        if value.isascii() and value.isdigit() and len(value) < 18 and minimum <= int(value) <= maximum:
            return int(value)
        self.problems.append(f"{name} is “{_shown(value)}”: write a whole number from {minimum} to {maximum}.")
        return default

    def seconds(self, name: str, default: float, *, minimum: float = 1.0, maximum: float = 86_400.0) -> float:
        value = self.text(name, str(default))
        try:
            amount = float(value)
        except ValueError:
            amount = math.nan
        if minimum <= amount <= maximum:
            return amount
        self.problems.append(f"{name} is “{_shown(value)}”: write seconds, from {minimum:g} to {maximum:g}.")
        return default

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default).lower()
        if value in choices:
            return value
        self.problems.append(f"{name} is “{_shown(value)}”: write one of {', '.join(choices)}.")
        return default

    def host(self, name: str) -> str:
        """The name or address of a server, without scheme and port."""
        value = self.text(name)
        if value and ":" not in value.strip("[]") and not _HOST_NAME.fullmatch(value.lower()):
            self.problems.append(f"{name} is “{_shown(value)}”: write the server's name alone, like mail.example.com.")
            return ""
        if value.count(":") == 1:
            self.problems.append(
                f"{name} is “{_shown(value)}”: write the name alone; the port has a variable of its own."
            )
            return ""
        return value

    def sender(self, name: str, default: str) -> str:
        """Who messages are from: an address, or a name with an address."""
        value = self.text(name, default)
        _, address = parseaddr(value)
        if not value.isprintable() or not re.fullmatch(r"[^@\s]+@[^@\s]+", address) or address not in value:
            self.problems.append(f"{name} is “{_shown(value)}”: write it like Fusion <fusion@example.com>.")
            return default
        return value

    def needs(self, name: str, other: str, reason: str) -> None:
        """A value that has no effect without another one was meant to have one."""
        if self.text(name) and not self.text(other):
            self.problems.append(f"{name} is set but {other} is not: {reason}")

    def refuse(self, name: str, sentence: str) -> None:
        """Some settings belong to other releases; running without them would not be what was meant."""
        if self.text(name):
            self.problems.append(f"{name} is set, but {sentence}")

    def strays(self) -> dict[str, str]:
        """Names that are no variable of ours but look like one, which they were probably meant to be.

        Only close ones: set-up files may name variables of their own. Ask once every variable has been read.
        """
        names = {name for name in {*self._given, *self._file} if name.startswith("FUSION_")} - self._read_names
        close = {name: get_close_matches(name, self._read_names, 1, 0.85) for name in sorted(names)}
        return {name: found[0] for name, found in close.items() if found}

    def _read(self, file: Path | None) -> dict[str, str]:
        if file is None or not file.is_file():
            return {}
        try:
            lines = list(parse_stream(StringIO(file.read_text(encoding="utf-8-sig"))))
        except (OSError, UnicodeDecodeError):
            self.problems.append(f"{file} cannot be read as text: save it as UTF-8, or remove it.")
            return {}
        for line in lines:
            if line.error or (line.key is not None and line.value is None):
                self.problems.append(
                    f"{file}, line {_number_of(line)} is not NAME=value: correct it, or put # in front."
                )
        values = {line.key: line.value for line in lines}
        return {name: value for name, value in values.items() if name and value}


class Address:
    """Where people reach the site, taken apart: `scheme://host[:port]`, without a path."""

    def __init__(self, url: str) -> None:
        """Raises ValueError for anything else."""
        parts = urlsplit(url)
        port = parts.port  # raises ValueError when it is no port
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError(url)
        if ":" not in parts.hostname and not _HOST_NAME.fullmatch(parts.hostname):
            raise ValueError(url)  # a dot in front would mean every host below it
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(url)
        self.scheme = parts.scheme
        self.host = parts.hostname
        self.port = port or (443 if parts.scheme == "https" else 80)

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS

    @property
    def hosts(self) -> list[str]:
        """Values of the Host header that are ours; on this machine its three names are one."""
        return [bracketed(host) for host in (LOOPBACK_HOSTS if self.is_loopback else (self.host,))]

    def origins(self, scheme: str = "") -> list[str]:
        """Origins of our own pages, with `scheme` instead of our own if given."""
        standard = 443 if self.scheme == "https" else 80
        port = "" if self.port == standard else f":{self.port}"
        return [f"{scheme or self.scheme}://{host}{port}" for host in self.hosts]

    def __str__(self) -> str:
        standard = 443 if self.scheme == "https" else 80
        return f"{self.scheme}://{bracketed(self.host)}" + ("" if self.port == standard else f":{self.port}")


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def address_of(env: Environment, url: str, host: str, port: int) -> Address:
    """The public address: FUSION_URL, else what HOST and PORT say; listening everywhere is reached as localhost."""
    fallback = Address(f"http://{bracketed('127.0.0.1' if host in EVERY_INTERFACE else host)}:{port}")
    if not url:
        return fallback
    try:
        return Address(url)
    except ValueError:
        env.problems.append(f"FUSION_URL is “{_shown(url)}”: write it like https://fusion.example.com, without a path.")
        return fallback


def host_of(env: Environment, host: str) -> str:
    """HOST as an address to listen on; a name that cannot stand in a URL falls back to this machine alone."""
    host = host.strip("[]")
    try:
        Address(f"http://{bracketed('127.0.0.1' if host in EVERY_INTERFACE else host)}:1")
    except ValueError:
        env.problems.append(f"HOST is “{_shown(host)}”: write an address to listen on, like 127.0.0.1 or 0.0.0.0.")
        return "127.0.0.1"
    return "0.0.0.0" if host == "*" else host  # noqa: S104 - asked for


def _number_of(line: Binding) -> int:
    """A statement begins with the empty lines before it."""
    text = line.original.string
    return line.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _shown(value: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in value[:60])
