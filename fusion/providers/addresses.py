"""Which addresses a connection may lead to: the open internet; what is nearer only on an administrator's word.

Names are judged by what they resolve to, at the one place that opens connections (`network.py`). Addresses are judged
after taking out the IPv4 address that some IPv6 ones carry. Sources: IANA's registries of special-purpose addresses;
RFC 4291 (mapped, compatible), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 6052 and 8215 (NAT64), RFC 7915 (translated).
"""

from __future__ import annotations

import re
import socket
import unicodedata
from collections.abc import Iterable
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NEVER = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # unspecified: Linux takes it for this machine
            "169.254.0.0/16",  # link-local, where clouds keep metadata and credentials
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, with the broadcast address at its end
            "100.100.100.200/32",  # Alibaba's metadata
            "168.63.129.16/32",  # Azure's, an address that looks public
            "192.0.0.192/32",  # Oracle's
            "::/128",
            "ff00::/8",
            "fd00:ec2::/32",  # Amazon's metadata and credentials
            "fd20:ce::/64",  # Google's
            "fe80::a9fe:a9fe/128",  # OpenStack's
            "64:ff9b:1::/48",  # NAT64 of somebody's own: what it translates to cannot be told
        ),
    )
)
_NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            "100.64.0.0/10",  # shared by the customers of a carrier
            "192.0.0.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "198.18.0.0/15",
            "2001::/23",  # Teredo and other protocols
            "2001:db8::/32",
            "3fff::/20",  # documentation, unknown to older Pythons
        ),
    )
)
_GLOBAL_UNICAST = ip_network("2000::/3")
_SIX_TO_FOUR = ip_network("2002::/16")  # older Pythons call all of it private; it is judged by the address it carries
_STANDS_FOR_IPV4 = tuple(
    map(ip_network, ("::ffff:0:0/96", "64:ff9b::/96"))
)  # a packet to it is one to the IPv4 address
_HOLDS_IPV4 = tuple(map(ip_network, ("::/96", "::ffff:0:0:0/96")))
_SOME_PUBLIC = "2600::"
_ASK = "If that is meant, ask an administrator to mark the connection as local; else correct the address."
_ELSEWHERE = "Write the address of the model server itself; this machine is 127.0.0.1."
_LOWEST_FREE_PORT = 1024
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
_FULL_STOPS = str.maketrans("\u3002\uff0e\uff61", "...")  # what IDNA takes for a dot


class Reach(IntEnum):
    """How near an address is, from harmless to out of the question."""

    PUBLIC = 0
    NEAR = 1  # this machine, a private network, anything that is not the open internet
    NEVER = 2  # no model server has it: metadata of clouds, multicast, broadcast, no address at all


class AddressRefused(Exception):
    """A connection may not lead there: `reason` completes a sentence, `way_past` is one."""

    def __init__(self, reason: str, way_past: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.way_past = way_past


def require_allowed(addresses: Iterable[str], port: int, *, local: bool) -> None:
    """Raises AddressRefused unless each of `addresses` and `port` may be asked: one bad address spoils a name.

    The reason names no address: what an inner name resolves to is not for whoever typed it.
    """
    reach = max(map(reach_of, addresses), default=Reach.NEVER)
    if reach is Reach.NEVER:
        raise AddressRefused("it leads to an address that no model server has", _ELSEWHERE)
    if local:
        return
    if reach is Reach.NEAR:
        raise AddressRefused("it leads to this machine or into a private network", _ASK)
    if not is_usual_port(port):
        raise AddressRefused(f"port {port} belongs to other services", _ASK)


def require_allowed_host(host: str, port: int, *, local: bool) -> None:
    """What can be said of a host before it is resolved: its port, its spelling, and its address if it spells one.

    Raises AddressRefused. A spelling like `0x8.8` or full-width letters is an administrator's business too: it hides
    where it leads from who reads it.
    """
    address = written_address(host)
    require_allowed([address or _SOME_PUBLIC], port, local=local)
    if not local and _is_disguised(host, address):
        raise AddressRefused("its host is written in an unusual way", "Write it in plain letters and digits.")


def is_usual_port(port: int) -> bool:
    """Ports of the system's own services are not for whoever may type an address."""
    return port in (80, 443) or port >= _LOWEST_FREE_PORT


def reach_of(address: str) -> Reach:
    """How near `address` is, judged by the nearest part of it; what cannot be read is NEVER."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return Reach.NEVER
    return max(map(_reach, _parts(parsed)))


def written_address(host: str) -> str | None:
    """The address that `host` spells, in any way that a resolver or a browser reads one; None for a name.

    So `127.1`, `0x7f000001`, `017700000001`, full-width digits and `localhost` are all 127.0.0.1. A number that is no
    address comes back as it is.
    """
    host = unicodedata.normalize("NFKC", host).translate(_FULL_STOPS).strip("[]").rstrip(".").lower()
    if ":" in host:
        return host
    if host == "localhost" or host.endswith(".localhost"):
        return "127.0.0.1"
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return host


def _is_disguised(host: str, address: str | None) -> bool:
    if address is not None:
        return ":" not in address and host != address
    return host.lower() != unicodedata.normalize("NFKC", host).translate(_FULL_STOPS).lower()


def _parts(address: IPv4Address | IPv6Address) -> tuple[IPv4Address | IPv6Address, ...]:
    """The addresses that a packet to `address` may end at."""
    if isinstance(address, IPv4Address):
        return (address,)
    last = IPv4Address(int(address) & 0xFFFFFFFF)
    if any(address in network for network in _STANDS_FOR_IPV4):
        return (last,)
    if int(address) > 1 and any(address in network for network in _HOLDS_IPV4):
        return (address, last)
    return (address, *([address.sixtofour] if address.sixtofour else []), *(address.teredo or ()))


def _reach(address: IPv4Address | IPv6Address) -> Reach:
    if any(address in network for network in _NEVER):
        return Reach.NEVER
    if isinstance(address, IPv6Address) and (address.scope_id is not None or address not in _GLOBAL_UNICAST):
        return Reach.NEAR
    is_public = (address.is_global or address in _SIX_TO_FOUR) and not address.is_multicast
    if any(address in network for network in _NOT_PUBLIC):
        return Reach.NEAR
    return Reach.PUBLIC if is_public else Reach.NEAR
