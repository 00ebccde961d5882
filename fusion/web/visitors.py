"""Where a request comes from, for the audit log."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from allauth.account.adapter import get_adapter
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from fusion.teams import audit


def client_address(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Middleware: what is written down while a request is answered names the visitor's address."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        token = audit.client_address.set(address_of(request))
        try:
            return get_response(request)
        finally:
            audit.client_address.reset(token)

    return middleware


def address_of(request: HttpRequest) -> str:
    """The visitor's address, as many proxies away as FUSION_TRUSTED_PROXIES says; empty where it cannot be told.

    A request that came past the proxies has too few forwarding addresses: then it is the peer's.
    """
    try:
        found = get_adapter().get_client_ip(request)
    except (ImproperlyConfigured, PermissionDenied):
        found = request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
