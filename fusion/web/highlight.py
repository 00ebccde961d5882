"""Code to spans with Pygments' short classes; bounded, since a lexer is a pile of regular expressions.

Some lexers look for a function's head over any run of words and white space, which takes seconds on code that is made
for it; each token costs some microseconds. Code beyond these bounds keeps its text and loses its colours.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from itertools import groupby, islice

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES, _TokenType

MAX_CODE_CHARS = 12_000
MAX_LINE_CHARS = 400
MAX_TOKENS = 3_000
MAX_INSTRUCTIONS = 40  # `<?` without end: each is looked for to the end
_LONG_RUN = re.compile(r"[\w\s.\[\]]{200}")  # without any other punctuation

# Languages people ask for. A closed list keeps hostile info strings from loading any of Pygments' 500 lexers.
_NAMES = """
python py python3 pycon console bash sh shell zsh powershell javascript js typescript ts json yaml yml toml ini
html xml css scss sql postgresql mysql java kotlin scala groovy c cpp c++ csharp cs c# go golang rust rs swift dart
php ruby rb perl lua r julia haskell hs elixir erlang clojure make makefile docker dockerfile nginx diff
latex tex graphql protobuf terraform hcl zig nim ocaml fsharp matlab
"""
LANGUAGES = frozenset(_NAMES.split())


@lru_cache(maxsize=128)
def highlight(code: str, language: str) -> str:
    """Escaped HTML of some code, coloured when its language is known and it is small enough for that."""
    lexer = _lexer(language.lower())
    if lexer is None or not _is_bounded(code):
        return escape(code, quote=False)
    tokens = [(_css_class(kind), value) for kind, value in islice(lexer.get_tokens(code), MAX_TOKENS)]
    coloured = "".join(value for _, value in tokens)
    if not code.startswith(coloured):  # a lexer may tidy up; what is shown must be what was sent
        return escape(code, quote=False)
    tokens.append(("", code[len(coloured) :]))
    return "".join(_span(name, "".join(v for _, v in run)) for name, run in groupby(tokens, key=lambda t: t[0]))


def _is_bounded(code: str) -> bool:
    if len(code) > MAX_CODE_CHARS or code.count("<?") > MAX_INSTRUCTIONS or _LONG_RUN.search(code):
        return False
    return max(map(len, code.split("\n"))) <= MAX_LINE_CHARS


@lru_cache(maxsize=len(LANGUAGES))
def _known_lexer(language: str) -> Lexer:
    return get_lexer_by_name(language, stripnl=False, ensurenl=False)


def _lexer(language: str) -> Lexer | None:
    return _known_lexer(language) if language in LANGUAGES else None


def _css_class(kind: _TokenType) -> str:
    """Pygments' short class; plain text and white space need none."""
    name = next((STANDARD_TYPES[part] for part in reversed(kind.split()) if part in STANDARD_TYPES), "")
    return "" if name in ("w", "n", "p", "x") else name


def _span(name: str, text: str) -> str:
    text = escape(text, quote=False)
    return f'<span class="{name}">{text}</span>' if name else text
