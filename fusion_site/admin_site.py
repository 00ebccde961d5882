"""The administration site."""

from __future__ import annotations

import re
from functools import wraps
from typing import Any, Final

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import FieldDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import reverse

from fusion.web.confirming import is_confirmed

NO_KEY: Final = re.compile(r"Field '\w+' expected a number but got ")  # what Django says of it


class FusionAdminSite(admin.AdminSite):
    """Signing in and changing one's password happen on the site's own pages: the admin's forms count no attempts, ask
    for no code and tell nobody by mail. Sent by somebody who is signed in, they would be a second way in."""

    site_header = "Fusion administration"
    site_title = "Fusion administration"
    index_title = "Everything in this installation"
    enable_nav_sidebar = True

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Who has been signed in for long confirms that it is them: everybody's questions can be read here.

        What is sent is taken for twice as long, because a form of the admin's would be lost.
        """
        guarded = super().admin_view(answered(view), cacheable)

        def confirmed(request: HttpRequest, *args: object, **kwargs: object) -> Any:
            if self.has_permission(request) and not is_confirmed(request, slack=2 if request.method == "POST" else 1):
                return redirect_to_login(request.get_full_path(), reverse("account_reauthenticate"))
            return guarded(request, *args, **kwargs)

        return confirmed

    def login(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        response: HttpResponse = secure_admin_login(_index)(request)
        return response

    def password_change(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> Any:
        return redirect("account_change_password")


def _index(request: HttpRequest) -> HttpResponse:
    return redirect("admin:index")


def answered(view: Any) -> Any:
    """Django's own pages break on keys, fields and years that no form and no link of theirs has: there is no such page.

    A page is rendered here, because a form looks up what was chosen only when it is shown.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> Any:
        try:
            response = view(request, *args, **kwargs)
            return response.render() if isinstance(response, SimpleTemplateResponse) else response
        except (OverflowError, FieldDoesNotExist) as exc:
            raise Http404("No date is that late, and no field has that name.") from exc
        except ValueError as exc:
            if not NO_KEY.match(str(exc)):
                raise
            raise Http404("This is not what keys look like.") from exc

    return guarded
