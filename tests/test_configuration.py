"""The configuration: read as it is documented, and every wrong value is one sentence."""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks

from fusion_site.configuration import Address, Environment, Sealed
from fusion_site.redacting import RedactingFormatter
from fusion_site.secrets import MAKERS, stored_secrets
from tests.processes import PATIENCE_S, ROOT


def variables_read() -> set[str]:
    """Names that settings.py reads: the first argument of env.<anything>(…) and of os.environ.get(…)."""
    calls = [
        node
        for node in ast.walk(ast.parse((ROOT / "fusion_site" / "settings.py").read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
    ]
    readers = [call for call in calls if ast.unparse(call.func).startswith(("env.", "os.environ."))]
    return {
        arg.value for call in readers if isinstance(arg := call.args[0], ast.Constant) and isinstance(arg.value, str)
    }


def run_manage(*arguments: str, data_dir: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "FUSION_ENV_FILE": os.devnull, "FUSION_DATA_DIR": str(data_dir)}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**clean, **(env or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def settings_with(data_dir: Path, *names: str, **env: str) -> dict[str, Any]:
    """Values of the real settings under an environment, from a process of their own."""
    code = (
        f"import json; from django.conf import settings as s; print(json.dumps({{n: getattr(s, n) for n in {names}}}))"
    )
    found = run_manage("shell", "--no-imports", "-c", code, data_dir=data_dir, env=env)
    assert found.returncode == 0, found.stderr
    values: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return values


def test_every_variable_is_documented_and_every_documented_variable_is_read() -> None:
    documented = re.findall(
        r"^\| `([A-Z][A-Z0-9_]+)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE
    )
    assert sorted(documented) == sorted(variables_read())
    assert "FUSION_URL" in documented


def test_a_good_installation_has_no_complaints() -> None:
    assert run_checks() == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("HOST", "not a host/"),
        ("FUSION_URL", "fusion.example.com"),
        ("FUSION_URL", "https://fusion.example.com/below"),
        ("FUSION_URL", "https://fusion.example.com:abc"),
        ("FUSION_URL", "https://.example.com"),
        ("FUSION_URL", "http://%zz"),
        ("FUSION_ENV_FILE", "/nowhere/fusion.env"),
        ("FUSION_SETUP_CODE", "--"),
        ("FUSION_SETUP_CODE", "letmein"),
        ("FUSION_SMTP_HOST", "https://mail.example.com"),
        ("FUSION_SMTP_HOST", "mail.example.com:587"),
        ("FUSION_SMTP_USER", "somebody"),
        ("FUSION_MAIL_FROM", "nobody"),
        ("FUSION_MAIL_FROM", "a@example.com\nBcc: b@example.com"),
        ("FUSION_PROVIDER_NAME", "Ours"),
        ("FUSION_SIGNUP", "maybe"),
        ("FUSION_SIMULATED", "sometimes"),
        ("FUSION_MAX_RUNS_PER_PERSON", "0"),
        ("FUSION_PANEL_TIMEOUT_S", "nan"),
        ("FUSION_SECRET_KEYS", "short"),
        ("FUSION_SECRET_KEY", "short"),
        ("FUSION_PROVIDER_URL", "ftp://models"),
        ("OPENAI_API_KEY", "sk-with space"),
        ("DATABASE_URL", "postgres://localhost/fusion"),
        ("REDIS_URL", "redis://localhost"),
        ("CELERY_BROKER_URL", "redis://localhost"),
    ],
)
def test_a_wrong_value_is_a_sentence_that_names_it(variable: str, value: str, tmp_path: Path) -> None:
    refused = run_manage("check", data_dir=tmp_path, env={variable: value})
    assert refused.returncode == 1
    assert variable in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_data_directory_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run_manage("check", data_dir=tmp_path / "file")
    assert refused.returncode == 1
    assert "FUSION_DATA_DIR" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_public_installation_passes_the_deployment_checks(tmp_path: Path) -> None:
    env = {"FUSION_URL": "https://fusion.example.com", "FUSION_TRUSTED_PROXIES": "1"}
    passed = run_manage("check", "--deploy", "--fail-level", "WARNING", data_dir=tmp_path, env=env)
    assert passed.returncode == 0, passed.stderr


def test_an_https_address_brings_secure_cookies_and_hsts(tmp_path: Path) -> None:
    names = (
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_HSTS_SECONDS",
    )
    assert settings_with(tmp_path, *names, FUSION_URL="https://fusion.example.com/") == {
        "ALLOWED_HOSTS": ["fusion.example.com"],
        "CSRF_TRUSTED_ORIGINS": ["https://fusion.example.com"],
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
    }


def test_without_an_address_only_this_machine_is_answered(tmp_path: Path) -> None:
    values = settings_with(tmp_path, "ALLOWED_HOSTS", "FUSION_URL", "DEBUG", "SESSION_COOKIE_SECURE", PORT="8123")
    assert values == {
        "ALLOWED_HOSTS": ["127.0.0.1", "localhost", "[::1]"],
        "FUSION_URL": "http://127.0.0.1:8123",
        "DEBUG": False,
        "SESSION_COOKIE_SECURE": False,
    }


def test_the_env_file_is_read_and_the_environment_stands_above_it(tmp_path: Path) -> None:
    file = tmp_path / "some.env"
    file.write_text("FUSION_SIGNUP=open\nFUSION_SMTP_HOST=mail.example.com\nFUSION_MEMBER_MAX_TOKENS=\n")
    names = ("FUSION_SIGNUP", "EMAIL_HOST", "FUSION_MEMBER_MAX_TOKENS")
    values = settings_with(tmp_path, *names, FUSION_ENV_FILE=str(file), FUSION_SIGNUP="closed")
    assert values == {"FUSION_SIGNUP": "closed", "EMAIL_HOST": "mail.example.com", "FUSION_MEMBER_MAX_TOKENS": 4096}


@pytest.mark.parametrize(
    "line", ["OPENAI_API_KEY: sk-abcdefghijkl", "OPENAI_API_KEY sk-abcdefghijkl", 'OPENAI_API_KEY="sk-abcdefghijkl']
)
def test_a_line_of_the_env_file_that_says_nothing_is_named_and_its_words_are_not_repeated(
    line: str, tmp_path: Path
) -> None:
    file = tmp_path / "some.env"
    file.write_text(f"# keys\n\nFUSION_SIGNUP=open\n\n{line}\n")
    refused = run_manage("check", data_dir=tmp_path, env={"FUSION_ENV_FILE": str(file)})
    assert refused.returncode == 1
    assert "some.env, line 5 is not NAME=value" in refused.stderr
    assert "sk-" not in refused.stderr


def test_a_name_with_a_slip_of_the_pen_is_pointed_out(tmp_path: Path) -> None:
    told = run_manage("check", data_dir=tmp_path, env={"FUSION_SIGN_UP": "open", "FUSION_ALICES_PASSWORD": "x"})
    assert told.returncode == 0
    assert "FUSION_SIGN_UP is not a variable" in told.stderr and "FUSION_SIGNUP meant" in told.stderr
    assert "ALICE" not in told.stderr


def test_keys_appear_in_no_report_of_the_settings(tmp_path: Path) -> None:
    key = "sk-or-" + "x" * 20
    shown = run_manage("diffsettings", "--all", data_dir=tmp_path, env={"OPENROUTER_API_KEY": key})
    assert shown.returncode == 0
    assert key not in shown.stdout
    assert "<8 sealed values>" in shown.stdout


# --- secrets ---------------------------------------------------------------------------------------


def test_secrets_are_made_once_and_read_by_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secrets.env"
    made = stored_secrets(path, given={})
    assert set(made) == set(MAKERS)
    assert stored_secrets(path, given={}) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secrets.env"]


def test_a_missing_secret_is_added_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("FUSION_SECRET_KEY=kept\n")
    assert stored_secrets(path, given={})["FUSION_SECRET_KEY"] == "kept"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_that_are_given_are_not_made(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    assert stored_secrets(path, given=dict.fromkeys(MAKERS, "given")) == {}
    assert not path.exists()


# --- reading ---------------------------------------------------------------------------------------


def test_a_wrong_value_falls_back_to_the_default_and_is_remembered() -> None:
    env = Environment({"A": "x", "B": "-1", "C": "²"})
    assert (env.flag("A", False), env.number("B", 3, maximum=9), env.number("C", 4, maximum=9)) == (False, 3, 4)
    assert len(env.problems) == 3


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://a", "http://", "http://u:p@a", "http://a/b", "http://a?b", "http://a:0x1"]
)
def test_an_address_is_scheme_host_and_port(url: str) -> None:
    with pytest.raises(ValueError):  # the caller words the sentence
        Address(url)


def test_an_address_knows_its_origins() -> None:
    assert Address("https://fusion.example.com").origins("wss") == ["wss://fusion.example.com"]
    assert Address("http://[::1]:8000").origins()[-1] == "http://[::1]:8000"
    assert str(Address("http://[fd00::1]:80/")) == "http://[fd00::1]"


def test_a_sealed_mapping_shows_no_value() -> None:
    assert "secret" not in repr(Sealed(KEY="secret"))


# --- logs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "leak",
    [
        "sk-or-v1-0123456789abcdef",
        "Authorization: Bearer abc.def",
        "GET /v1/models?key=AIzaSyA0123456789",
        '{"api_key": "abcdef0123"}',
        "x-api-key=abcdef0123",
    ],
)
def test_logs_hold_no_key_whatever_part_it_comes_in(leak: str) -> None:
    formatter = RedactingFormatter("{message}", style="{")
    try:
        raise ValueError(leak)
    except ValueError:
        record = logging.LogRecord("fusion", logging.ERROR, "f", 1, "asked %s", (leak,), sys.exc_info())
    text = formatter.format(record)
    secret = re.split(r"[ =\"]", leak.rstrip('"}'))[-1]
    assert secret not in text
    assert "[key]" in text


def test_logs_obey_no_terminal_commands_and_keep_words_that_only_stand_beside_a_name() -> None:
    logging_settings: dict[str, Any] = settings.LOGGING
    handler = logging_settings["formatters"]["plain"]
    formatter = RedactingFormatter(handler["format"], style=handler["style"])
    words = ("Forbidden (%s)", ("\x1b[2Jno\0 token\n",))
    text = formatter.format(logging.LogRecord("django.security.csrf", logging.WARNING, "f", 1, *words, None))
    assert text.endswith("WARNING [django.security.csrf] Forbidden (\\x1b[2Jno\\x00 token\n)")


def test_every_handler_redacts() -> None:
    logging_settings: dict[str, Any] = settings.LOGGING
    formatters = {handler["formatter"] for handler in logging_settings["handlers"].values()}
    assert {logging_settings["formatters"][name]["()"] for name in formatters} == {
        "fusion_site.redacting.RedactingFormatter"
    }


@pytest.mark.parametrize("given", ["1", "", "false"])
def test_what_ci_runs_fails_without_a_browser_whatever_the_machine_says_of_itself(given: str, tmp_path: Path) -> None:
    """Browser tests are skipped where no browser is, unless CI is `true`."""
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "CI=$CI $*"\n')
    make.chmod(0o700)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CI": given}
    ran = subprocess.run(
        [ROOT / ".ci" / "run"], env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert ran.stdout.strip() == "CI=true --no-print-directory test"
