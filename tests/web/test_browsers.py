"""The list of one's sessions names each browser in words, whatever it says of itself."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from fusion.models import User
from fusion.web.shown.browsers import UNKNOWN, browser_in_words
from tests.web.hostile_text import HOSTILE

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
KNOWN = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox 140 on Linux",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:9.0) Gecko/20100101 Firefox/9.0": "Firefox 9 on Linux",
    "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0": "Firefox 140 on Android",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {APPLE} FxiOS/140.0 Mobile/15E148 Safari/605.1.15": (
        "Firefox 140 on iOS"
    ),
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/138.0.0.0 Safari/537.36": "Chrome 138 on Windows",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/138.0.0.0 Safari/537.36": "Chrome 138 on ChromeOS",
    f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/150.0.0.0 Safari/537.36": "Chrome 150 on Linux",
    f"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) {APPLE} CriOS/138.0.7204.119 Mobile/15E148 Safari/604.1": (
        "Chrome 138 on iPadOS"
    ),
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/138.0.0.0 Safari/537.36 Edg/137.0.3296.93": (
        "Edge 137 on Windows"
    ),
    f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/138.0.0.0 Mobile Safari/537.36 EdgA/137.0.0.0": (
        "Edge 137 on Android"
    ),
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Chrome/137.0.0.0 Safari/537.36 OPR/121.0.0.0": (
        "Opera 121 on macOS"
    ),
    f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36": (
        "Samsung Internet 28 on Android"
    ),
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Version/18.5 Safari/605.1.15": "Safari 18 on macOS",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {APPLE} Version/18.5 Mobile/15E148 Safari/604.1": (
        "Safari 18 on iOS"
    ),
    "Firefox/140.0": "Firefox 140",
    "python-httpx/0.28.1": UNKNOWN,
    "Mozilla/5.0 (X11; Linux x86_64) SomethingNew/3": f"{UNKNOWN} on Linux",
    "": UNKNOWN,
}
EVIL = [
    *HOSTILE,
    "<script>alert(1)</script>",
    "Firefox/140<img src=x onerror=alert(1)> (X11; Linux)",
    "Firefox/99999999999999999999",
    "Firefox/١٤٠",
    "Chrome/" * 5_000,
    "Version/" * 5_000,
    "9" * 100_000,
    "\u202eFirefox/140 nuxiL",
]


@pytest.mark.parametrize("user_agent", KNOWN)
def test_a_browser_is_named_by_its_name_main_version_and_system(user_agent: str) -> None:
    assert browser_in_words(user_agent) == KNOWN[user_agent]


def test_whatever_a_browser_says_of_itself_only_words_of_ours_come_out() -> None:
    for user_agent in EVIL:
        words = browser_in_words(user_agent)
        assert re.fullmatch(r"[A-Z]\w+(?: \w+)?(?: [0-9]{1,4})?(?: on \w+)?", words, re.ASCII), words


def test_the_list_of_sessions_and_what_is_mailed_name_browsers_in_words(client: Client, alice: User) -> None:
    agent = next(iter(KNOWN))
    typed = {"login": alice.email, "password": "secret-pass-1"}
    Client().post(reverse("account_login"), typed, headers={"User-Agent": agent})
    client.post(reverse("account_login"), typed, headers={"User-Agent": "Visit <b>evil.example</b>"})
    page = client.get(reverse("usersessions_list")).text
    assert "Firefox 140 on Linux" in page and "Unknown browser" in page
    assert "evil.example" not in page and "Gecko" not in page
    passwords = {"oldpassword": "secret-pass-1", "password1": "another-pass-2", "password2": "another-pass-2"}
    client.post(reverse("account_change_password"), passwords, headers={"User-Agent": agent + " evil.example"})
    told = str(mail.outbox[-1].body)
    assert "(Firefox 140 on Linux)" in told and "evil.example" not in told
