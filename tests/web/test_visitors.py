"""The address that the audit log names."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from fusion.teams import audit
from fusion.web.visitors import address_of, client_address


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer", "address"),
    [
        (0, None, "192.0.2.7", "192.0.2.7"),
        (0, "203.0.113.9", "192.0.2.7", "192.0.2.7"),  # anybody can send the header
        (1, "198.51.100.1, 203.0.113.9", "127.0.0.1", "203.0.113.9"),  # what the visitor wrote stands further left
        (2, "198.51.100.1, 203.0.113.9", "127.0.0.1", "198.51.100.1"),
        (2, "203.0.113.9", "127.0.0.1", "127.0.0.1"),  # came past one of the proxies
        (1, "not-an-address", "127.0.0.1", "127.0.0.1"),
        (0, None, "::ffff:192.0.2.7", "192.0.2.7"),
        (0, None, "", ""),
    ],
)
def test_the_visitors_address_is_told_by_trusted_proxies_only(
    proxies: int, forwarded: str | None, peer: str, address: str, settings: object
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies  # type: ignore[attr-defined]
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert address_of(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)) == address


def test_the_address_is_known_while_a_request_is_answered_and_not_after() -> None:
    seen: list[str] = []

    def view(request: object) -> HttpResponse:
        seen.append(audit.client_address.get())
        return HttpResponse()

    client_address(view)(RequestFactory().get("/", REMOTE_ADDR="192.0.2.7"))
    assert (seen, audit.client_address.get()) == (["192.0.2.7"], "")
