"""The application that the server runs: pages over HTTP, live runs over websockets."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import ParseResult

from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fusion_site.settings")
pages = get_asgi_application()  # loads the applications, which the imports below need

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import OriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402

from fusion.web.bodies import TolerantRequest  # noqa: E402
from fusion.web.routing import websocket_urlpatterns  # noqa: E402

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class OwnPagesOnly(OriginValidator):
    """Refuses sockets that another site's page opens, and those that name no origin: browsers send one always."""

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        try:
            return bool(super().valid_origin(parsed_origin))
        except ValueError:  # a port that is none
            return False


def reached_by_https(application: ASGIHandler) -> Application:
    """Marks every request as secure: whoever serves us under an https address took the encryption off on the way.

    Links, redirects, HSTS and the CSRF check follow from it, without trusting a header that anybody could send.
    """

    async def secure(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, "scheme": "https"}, receive, send)

    return secure


pages.request_class = TolerantRequest

if settings.FUSION_PROBLEMS:
    raise ImproperlyConfigured(" ".join(settings.FUSION_PROBLEMS))

application = ProtocolTypeRouter(
    {
        "http": reached_by_https(pages) if settings.FUSION_ADDRESS.scheme == "https" else pages,
        "websocket": OwnPagesOnly(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), settings.FUSION_ORIGINS),
    }
)
