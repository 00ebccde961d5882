"""Refusing what is larger than the site takes, or in an encoding of its own, before anything looks into it."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import reverse

from fusion.web.views.refusals import refusal

Handler = Callable[[HttpRequest], HttpResponse]


def body_limit(get_response: Handler) -> Handler:
    """Middleware: answers 413 with a sentence when the body is declared to be larger than what this address takes."""

    def guarded(request: HttpRequest) -> HttpResponse:
        limit = _limit(request)
        declared = request.META.get("CONTENT_LENGTH", "")
        if not declared.isdecimal() or int(declared) <= limit:
            return get_response(request)
        size = filesizeformat(limit).replace("\xa0", " ")
        message = f"This is more than the {size} that can be sent at once. Go back, shorten it, and send it again."
        return refusal(request, message, status=413)

    return guarded


def only_utf_8(get_response: Handler) -> Handler:
    """Middleware: answers 415 to a form that names another encoding than the one in which every page sends its forms.

    Whoever sends a form may name any codec of Python's: one that is none for text breaks the reading, and some give
    characters that can be neither stored nor sent.
    """

    def guarded(request: HttpRequest) -> HttpResponse:
        if request.encoding is None:
            return get_response(request)
        if codecs.lookup(request.encoding).name == "utf-8":
            request.encoding = "utf-8"
            return get_response(request)
        request.encoding = "utf-8"
        return refusal(request, "Forms are read as UTF-8 here. Send it in this encoding.", status=415)

    return guarded


class TolerantRequest(ASGIRequest):
    """A request whose content type may be in an encoding that there is not: then it has none.

    Django would break before any page is asked, at a visitor's word, with a traceback in the log for each.
    """

    def _set_content_type_params(self, meta: dict[str, str]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]  # the stubs leave it out
        except ValueError:
            self.content_type, self.content_params = "", {}


def _limit(request: HttpRequest) -> int:
    """Images may come along in two places; Django itself bounds what else is in such a form."""
    takes_images = request.path in upload_paths()
    is_form_with_files = request.content_type == "multipart/form-data"
    limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return settings.FUSION_UPLOAD_MAX_BYTES if takes_images and is_form_with_files else limit


def upload_paths() -> tuple[str, ...]:
    """The addresses whose forms may bring images."""
    return reverse("image-create"), reverse("run-create")
