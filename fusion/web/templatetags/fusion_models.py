"""Template tags of models: headings that sort, and what belongs to a ref."""

from __future__ import annotations

from collections.abc import Mapping

from django import template
from django.http import HttpRequest
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def sort_heading(context: Context, key: str, label: str, numeric: bool = False) -> SafeString:
    """A column's heading as a link that sorts by it, the other way round when it does already."""
    request, sort = context["request"], str(context.get("sort", ""))
    assert isinstance(request, HttpRequest)
    wanted = request.GET.copy()
    wanted.pop("page", None)
    wanted["sort"] = f"-{key}" if sort == key else key
    state = {key: "ascending", f"-{key}": "descending"}.get(sort, "none")
    css = ' class="num"' if numeric else ""
    mark = {"ascending": " ↑", "descending": " ↓"}.get(state, "")
    return format_html(
        '<th scope="col"{} aria-sort="{}"><a href="?{}">{}<span aria-hidden="true">{}</span></a></th>',
        SafeString(css),
        state,
        wanted.urlencode(),
        label,
        mark,
    )


@register.filter
def of(known: Mapping[str, object], key: str) -> object:
    """What a mapping has for a key that is itself a variable; None when it has nothing."""
    return known.get(key)
