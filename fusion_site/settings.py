"""All settings, read from the environment, an optional `.env` and `var/secrets.env`.

Every variable is described in docs/configuration.md. A wrong value falls back to its default here and is reported as
an error by the system checks, which every command runs first.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from fusion_site.configuration import Environment, Sealed, address_of, host_of
from fusion_site.secrets import stored_secrets

BASE_DIR = Path(__file__).resolve().parent.parent

_env_file = BASE_DIR / os.environ.get("FUSION_ENV_FILE", ".env")
env = Environment(os.environ, _env_file)
if os.environ.get("FUSION_ENV_FILE") and (_env_file.is_dir() or not _env_file.exists()):
    env.problems.append(f"FUSION_ENV_FILE is {_env_file}, and no such file is there: correct it, or remove it.")

# --- where things are ------------------------------------------------------------------------------

DATA_DIR = (BASE_DIR / env.text("FUSION_DATA_DIR", "var")).resolve()

try:
    _secrets = Environment(
        stored_secrets(
            DATA_DIR / "secrets.env",
            given={name: env.text(name) for name in ("FUSION_SECRET_KEY", "FUSION_SECRET_KEYS", "FUSION_SETUP_CODE")},
        )
    )
except (OSError, UnicodeDecodeError) as exc:
    raise ImproperlyConfigured(
        f"The secrets in {DATA_DIR / 'secrets.env'} can be neither read nor made ({type(exc).__name__}): make the "
        "directory writable for this account, or point FUSION_DATA_DIR to one that is."
    ) from None

SECRET_KEY = env.text("FUSION_SECRET_KEY") or _secrets.text("FUSION_SECRET_KEY")
FUSION_SECRET_KEYS = (env.text("FUSION_SECRET_KEYS") or _secrets.text("FUSION_SECRET_KEYS")).split(",")
FUSION_SETUP_CODE = env.text("FUSION_SETUP_CODE") or _secrets.text("FUSION_SETUP_CODE")

# --- the address -----------------------------------------------------------------------------------

DEBUG = env.flag("FUSION_DEBUG", False)
FUSION_HOST = host_of(env, env.text("HOST", "127.0.0.1"))
FUSION_PORT = env.number("PORT", 8000, minimum=1, maximum=65_535)
FUSION_ADDRESS = address_of(env, env.text("FUSION_URL"), FUSION_HOST, FUSION_PORT)
FUSION_URL = str(FUSION_ADDRESS)
FUSION_URL_GIVEN = bool(env.text("FUSION_URL"))
FUSION_TRUSTED_PROXIES = env.number("FUSION_TRUSTED_PROXIES", 0, maximum=10)

ALLOWED_HOSTS = FUSION_ADDRESS.hosts
FUSION_ORIGINS = FUSION_ADDRESS.origins()  # of pages that may open our sockets
CSRF_TRUSTED_ORIGINS = FUSION_ORIGINS
ALLAUTH_TRUSTED_PROXY_COUNT = FUSION_TRUSTED_PROXIES

_https = FUSION_ADDRESS.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SECURE_SSL_REDIRECT = _https
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
if FUSION_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains: other sites under the same name are not ours to decide about
    "security.W021",  # nor is a place in the browsers' preload list
]

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Own names, because cookies do not tell ports apart: another Django site on this machine would share the usual one.
SESSION_COOKIE_NAME = "fusion_session"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "fusion_csrf"

_self, _none = "'self'", "'none'"
# Not every browser counts sockets as 'self'. A policy cannot name an IPv6 address; there it has to be 'self'.
_sockets = [origin for origin in FUSION_ADDRESS.origins("wss" if _https else "ws") if "[" not in origin]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [_none],
        "script-src": [_self],
        "style-src": [_self],
        "img-src": [_self, "data:"],
        "font-src": [_self],
        "connect-src": [_self, *_sockets],
        "manifest-src": [_self],
        "form-action": [_self],
        "frame-ancestors": [_none],
        "base-uri": [_none],
        "object-src": [_none],
    }
}

# --- applications ----------------------------------------------------------------------------------

INSTALLED_APPS = [
    "fusion.apps.FusionConfig",
    "fusion_site.apps.FusionSiteConfig",
    "fusion_site.apps.FusionAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "channels",
    "csp",
    "django_htmx",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "fusion.web.bodies.body_limit",
    "fusion.web.bodies.only_utf_8",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "fusion.web.deception.SpellOutMiddleware",
    "fusion.web.visitors.client_address",
    "fusion.web.second_step.require_second_factor",
    "fusion.web.confirming.keep_one_wish",  # after django-allauth's, so that it is asked before
]

ROOT_URLCONF = "fusion_site.urls"
ASGI_APPLICATION = "fusion_site.asgi.application"
CSRF_FAILURE_VIEW = "fusion.web.views.errors.csrf_failure"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            # Django looks for tags in applications only, and fusion.web is a room of one.
            "libraries": {
                path.stem: f"fusion.web.templatetags.{path.stem}"
                for path in sorted((BASE_DIR / "fusion" / "web" / "templatetags").glob("[a-z]*.py"))
            },
        },
    },
]

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "images": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "uploads" / "images",
            "base_url": None,  # no address leads there: a view asks who may see what
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
MEDIA_ROOT = DATA_DIR / "uploads"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# --- storage ---------------------------------------------------------------------------------------

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "db.sqlite3",
        "OPTIONS": {
            # A transaction that starts by reading and then writes would fail at once, whatever the timeout says, when
            # another one wrote meanwhile. IMMEDIATE asks for the right to write first and waits for it.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;",
        },
        # A database in memory is one connection for all threads, which locks; a file behaves as in production.
        "TEST": {"NAME": Path(tempfile.gettempdir()) / f"fusion-test-{os.getpid()}.sqlite3"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_LATER = "this release keeps everything in SQLite under FUSION_DATA_DIR and runs in one process: remove the variable."
env.refuse("DATABASE_URL", _LATER)
env.refuse("REDIS_URL", _LATER)
env.refuse("CELERY_BROKER_URL", _LATER)

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # Counts of attempts stand here. With Django's 300, who makes others pushes out the ones that are to stop them.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# A prompt of FUSION_PROMPT_MAX_CHARS may be twelve bytes a character in a form (four bytes, percent-encoded). A prompt
# that is too long has to come back with its text, and Django's own answer to a larger body would lose it.
FUSION_PROMPT_MAX_CHARS = env.number("FUSION_PROMPT_MAX_CHARS", 200_000, minimum=1_000, maximum=2_000_000)
DATA_UPLOAD_MAX_MEMORY_SIZE = max(32 * 1024 * 1024, 24 * FUSION_PROMPT_MAX_CHARS)  # bytes

# --- images of questions ---------------------------------------------------------------------------

FUSION_IMAGES_PER_PROMPT = env.number("FUSION_IMAGES_PER_PROMPT", 6, maximum=20)
FUSION_IMAGE_MAX_BYTES = 1_000_000 * env.number("FUSION_IMAGE_MAX_MB", 10, minimum=1, maximum=50)
# A form without JavaScript brings its images along. More files than a person chooses must not lose the question.
FUSION_UPLOAD_MAX_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE + FUSION_IMAGES_PER_PROMPT * FUSION_IMAGE_MAX_BYTES
DATA_UPLOAD_MAX_NUMBER_FILES = 1_000

# --- accounts --------------------------------------------------------------------------------------

AUTH_USER_MODEL = "fusion.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"

FUSION_SIGNUP = env.choice("FUSION_SIGNUP", "closed", ("closed", "open"))
FUSION_INVITATION_DAYS = env.number("FUSION_INVITATION_DAYS", 7, minimum=1, maximum=90)
ACCOUNT_ADAPTER = "fusion.teams.adapter.AccountAdapter"
ACCOUNT_FORMS = {"signup": "fusion.teams.forms.SignupForm", "add_email": "fusion.teams.forms.AddEmailForm"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = env.choice("FUSION_EMAIL_VERIFICATION", "none", ("none", "optional", "mandatory"))
ACCOUNT_MAX_EMAIL_ADDRESSES = 3
# Beside the limits that django-allauth brings: looking at an invitation, and sending some.
ACCOUNT_RATE_LIMITS = {"invitation": "30/m/ip", "invite": "60/h/user"}
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Fusion] "
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody gets mail because a stranger typed their address here
ACCOUNT_DEFAULT_HTTP_PROTOCOL = FUSION_ADDRESS.scheme
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_PASSWORD_MIN_LENGTH = 10
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_USER_DISPLAY = str
FUSION_SECOND_FACTOR = env.choice("FUSION_SECOND_FACTOR", "optional", ("optional", "administrators", "everyone"))
FUSION_CONFIRM_S = 60 * env.number("FUSION_CONFIRM_MINUTES", 60, minimum=5, maximum=1_440)
MFA_ADAPTER = "fusion.teams.second_factor.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "fusion.teams.forms.AuthenticateForm",
    "reauthenticate": "fusion.teams.forms.ReauthenticateForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # an installation without mail confirms no address
MFA_TOTP_TOLERANCE = 1  # step of 30 s, for clocks that differ a little; a code works once

# --- mail ------------------------------------------------------------------------------------------

EMAIL_HOST = env.host("FUSION_SMTP_HOST")
for _name in ("FUSION_SMTP_USER", "FUSION_SMTP_PASSWORD"):
    env.needs(_name, "FUSION_SMTP_HOST", "set the mail server that it is for.")
EMAIL_PORT = env.number("FUSION_SMTP_PORT", 587, minimum=1, maximum=65_535)
EMAIL_HOST_USER = env.text("FUSION_SMTP_USER")
EMAIL_HOST_PASSWORD = env.text("FUSION_SMTP_PASSWORD")
_smtp_security = env.choice("FUSION_SMTP_SECURITY", "starttls", ("starttls", "tls", "none"))
EMAIL_USE_TLS = _smtp_security == "starttls"
EMAIL_USE_SSL = _smtp_security == "tls"
EMAIL_TIMEOUT = 15  # seconds
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.sender("FUSION_MAIL_FROM", f"Fusion <fusion@{FUSION_ADDRESS.host}>")

# --- runs ------------------------------------------------------------------------------------------

FUSION_MAX_RUNS_PER_PERSON = env.number("FUSION_MAX_RUNS_PER_PERSON", 4, minimum=1, maximum=1_000)
FUSION_MEMBER_MAX_TOKENS = env.number("FUSION_MEMBER_MAX_TOKENS", 4_096, minimum=16, maximum=200_000)
FUSION_PANEL_TIMEOUT_S = env.seconds("FUSION_PANEL_TIMEOUT_S", 120.0)
FUSION_JUDGE_TIMEOUT_S = env.seconds("FUSION_JUDGE_TIMEOUT_S", 90.0)
FUSION_WRITER_TIMEOUT_S = env.seconds("FUSION_WRITER_TIMEOUT_S", 120.0)
FUSION_ROUND_TIMEOUT_S = env.seconds("FUSION_ROUND_TIMEOUT_S", 60.0)
FUSION_SILENCE_S = env.seconds("FUSION_SILENCE_S", 30.0)
FUSION_SOCKET_PATIENCE_S = env.seconds("FUSION_SOCKET_PATIENCE_S", 8.0, maximum=60.0)
FUSION_RUN_TIMEOUT_S = env.seconds("FUSION_RUN_TIMEOUT_S", 420.0)

# --- providers -------------------------------------------------------------------------------------

FUSION_SIMULATED = env.flag("FUSION_SIMULATED", True)
FUSION_PROVIDER_ENV = Sealed(
    OPENROUTER_API_KEY=env.text("OPENROUTER_API_KEY"),
    OPENAI_API_KEY=env.text("OPENAI_API_KEY"),
    ANTHROPIC_API_KEY=env.text("ANTHROPIC_API_KEY"),
    GEMINI_API_KEY=env.text("GEMINI_API_KEY"),
    OLLAMA_BASE_URL=env.text("OLLAMA_BASE_URL"),
    FUSION_PROVIDER_URL=env.text("FUSION_PROVIDER_URL"),
    FUSION_PROVIDER_KEY=env.text("FUSION_PROVIDER_KEY"),
    FUSION_PROVIDER_NAME=env.text("FUSION_PROVIDER_NAME"),
)

# --- logs ------------------------------------------------------------------------------------------

FUSION_LOG_LEVEL = env.choice("FUSION_LOG_LEVEL", "info", ("debug", "info", "warning", "error"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "fusion_site.redacting.RedactingFormatter",
            "format": "{asctime} {levelname} [{name}] {message}",
            "style": "{",
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "fusion": {"level": FUSION_LOG_LEVEL.upper()},
        # Django's own handlers would mail or print a second time, past the redaction.
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.request": {"level": "ERROR"},  # a 404 is the visitor's business
        # Scanners knock under every name; the visitor gets a 400 and the log no traceback for each.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # Nor for what is too much to be read.
        "django.security.RequestDataTooBig": {"level": "CRITICAL"},
        "django.security.TooManyFieldsSent": {"level": "CRITICAL"},
        "django.security.TooManyFilesSent": {"level": "CRITICAL"},
    },
}

env.needs("FUSION_PROVIDER_NAME", "FUSION_PROVIDER_URL", "set the address that it names.")

FUSION_PROBLEMS = tuple(env.problems)
FUSION_STRAYS = env.strays()
