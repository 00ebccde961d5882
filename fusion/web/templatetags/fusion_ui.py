"""Template tags of the whole site: icons, the theme, and how numbers read."""

from __future__ import annotations

from django import template
from django.forms import BoundField
from django.http import HttpRequest
from django.template.context import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from fusion.runs.costs import exact_usd, short_usd
from fusion.web.markdown import render_inline
from fusion.web.shown.browsers import browser_in_words
from fusion.web.theme import theme_of

register = template.Library()


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """One symbol of `img/icons.svg`; decorative unless it has a label."""
    href = f"{static('img/icons.svg')}#{name}"
    if label:
        return format_html('<svg class="icon" role="img" aria-label="{}"><use href="{}"></use></svg>', label, href)
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}"></use></svg>', href)


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """The visitor's choice: light, dark or system."""
    request = context.get("request")
    return theme_of(request) if isinstance(request, HttpRequest) else "system"


@register.simple_tag(takes_context=True)
def current_page(context: Context, *names: str) -> SafeString:
    """` aria-current="page"` when the page's URL name is one of `names`; a name that ends in `-` or `_` is a prefix."""
    request = context.get("request")
    match = getattr(request, "resolver_match", None)
    here = (match.url_name or "") if match is not None else ""
    hit = any(here.startswith(name) if name.endswith(("-", "_")) else here == name for name in names)
    return mark_safe(' aria-current="page"') if hit else mark_safe("")


@register.filter
def unhinted(field: BoundField) -> SafeString:
    """A form's field without the placeholder that only repeats its label."""
    return field.as_widget(attrs={"placeholder": ""})


@register.filter
def duration(value: int | None) -> str:
    """Milliseconds as people say them: `840 ms`, `3.2 s`, `2:05 min`."""
    if value is None:
        return "–"
    if value < 1000:
        return f"{value} ms"
    if value < 60_000:
        return f"{value / 1000:.1f} s"
    return f"{value // 60_000}:{value % 60_000 // 1000:02} min"


@register.filter
def count(value: int | None) -> str:
    """A whole number with thin thousands; `–` when it is not known."""
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


@register.filter
def usd(nanos: int | None) -> str:
    """Nano-dollars as dollars, with as many digits as a small amount needs; `$?` is not zero."""
    return short_usd(nanos)


@register.filter
def exact(nanos: int | None) -> str:
    """Nano-dollars as dollars with every digit."""
    return exact_usd(nanos)


@register.filter
def clock(value: int) -> str:
    """Milliseconds as a running clock: `0:07`, `12:40`."""
    seconds = max(0, value) // 1000
    return f"{seconds // 60}:{seconds % 60:02}"


@register.filter
def spaced(value: str) -> str:
    """A machine word for people: `cannot_tell` becomes `cannot tell`."""
    return value.replace("_", " ")


@register.filter
def browser(user_agent: str) -> str:
    """What a browser says of itself, in words."""
    return browser_in_words(user_agent)


@register.filter
def inline(value: str) -> SafeString:
    """A sentence that a model wrote, with its emphasis and code, through the one sanitising renderer."""
    return mark_safe(render_inline(" ".join(value.split()), {}))
