"""Addresses of the sockets."""

from __future__ import annotations

from django.urls import path, re_path

from fusion.web.consumers import NoSuchSocket, RunConsumer

websocket_urlpatterns = [
    path("ws/r/<uuid:public_id>", RunConsumer.as_asgi()),
    re_path("", NoSuchSocket.as_asgi()),
]
