"""Whether somebody who makes the first account is at home on this machine, or has to know the setup code."""

from __future__ import annotations

import ipaddress
from secrets import compare_digest

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port

# Any of these says that somebody passed the request on, so that a loopback peer proves nothing.
FORWARDING_HEADERS = (
    "CF-Connecting-IP",
    "Forwarded",
    "True-Client-IP",
    "Via",
    "X-Client-IP",
    "X-Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Server",
    "X-Original-Host",
    "X-Real-IP",
)


def is_at_home(request: HttpRequest) -> bool:
    """The request comes from this machine, names it, and nobody passed it on.

    The Host must be loopback too: a page elsewhere whose name points to 127.0.0.1 would otherwise count as local.
    """
    if any(header in request.headers for header in FORWARDING_HEADERS):
        return False
    host, _ = split_domain_port(request.get_host())
    return _is_loopback(request.META.get("REMOTE_ADDR", "")) and (host == "localhost" or _is_loopback(host.strip("[]")))


def is_setup_code(typed: str) -> bool:
    """Compares without regard to case, spaces and hyphens, in constant time."""
    return compare_digest(_bare(typed).encode(), _bare(settings.FUSION_SETUP_CODE).encode())


def _bare(code: str) -> str:
    return "".join(code.split()).replace("-", "").upper()


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
