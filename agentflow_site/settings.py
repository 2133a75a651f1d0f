"""Django's settings; every external value comes through `agentflow_site.env`."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from agentflow_site import env as site_env
from agentflow_site.bodies import MAX_BODY_BYTES
from agentflow_site.postgresql.limits import connection_options
from nodes.errors import ConfigError

try:
    ENV = site_env.read()
    SECRET_KEY = site_env.secret_key(ENV.data_dir)
except ConfigError as exc:
    sys.stderr.write(f"agentflow: {exc}\n")
    sys.exit(2)

BASE_DIR: Path = site_env.BASE_DIR
DATA_DIR: Path = ENV.data_dir
DEBUG = ENV.debug
ALLOWED_HOSTS = ENV.allowed_hosts
HEARTBEAT_SECONDS = ENV.heartbeat_seconds
LEADER_GRPC = ENV.leader_grpc
REDIS_URL = ENV.redis_url

INSTALLED_APPS = [
    "daphne",
    "dashboard.apps.AgentFlowAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "csp",
    "django_htmx",
    "rest_framework",
    "agentflow_site",
    "nodes",
    "dashboard",
    "chat",
]

MIDDLEWARE = [
    "dashboard.accesslog.AccessLogMiddleware",
    "dashboard.response_headers.ResponseHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "agentflow_site.urls"
ASGI_APPLICATION = "agentflow_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "agentflow_site.visible_templates.VisibleTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# SQLite unless DATABASE_URL is set. IMMEDIATE: otherwise a read-then-write transaction fails at once, whatever the
# timeout, if another process wrote in between. FULL: acknowledged data survives a power cut.
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 5,
    "init_command": (
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;"
        "PRAGMA journal_size_limit=67108864;PRAGMA wal_autocheckpoint=1000"
    ),
}
if ENV.database_url:
    DATABASES: dict[str, dict[str, Any]] = {"default": {**dj_database_url.parse(ENV.database_url)}}
    if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
        DATABASES["default"]["ENGINE"] = "agentflow_site.postgresql"
        DATABASES["default"]["OPTIONS"] = connection_options(DATABASES["default"].get("OPTIONS", {}))
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "db.sqlite3")}}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
# Under ASGI a persistent connection would belong to a thread that never closes it.
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"]["ATOMIC_REQUESTS"] = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Hints only ("the feed is at N"): the database is the source of truth, so a lost hint costs a read, never an event.
if ENV.redis_url:
    CHANNEL_LAYERS: dict[str, Any] = {
        "default": {
            "BACKEND": "dashboard.live.layer.FeedChannelLayer",
            "CONFIG": {
                "prefix": "agentflow",
                "hosts": [
                    {
                        "address": ENV.redis_url,
                        # redis-py's default drops a connection that is silent for 5 s, as an idle subscription is. The
                        # layer's blocking reads end before this timeout.
                        "socket_timeout": 15.0,
                        "socket_connect_timeout": 5.0,
                        "socket_keepalive": True,
                        "health_check_interval": 15,
                    }
                ],
            },
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# Counters of wrong passwords. "shared", with Redis, is that of all web processes.
CACHES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}}
}
if ENV.redis_url:
    CACHES["shared"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": ENV.redis_url,
        "KEY_PREFIX": "agentflow",
        "OPTIONS": {"socket_timeout": 1.0, "socket_connect_timeout": 1.0},
    }

PASSWORD_HASHERS = ["dashboard.accounts.hashing.PooledPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "dashboard:login"
LOGIN_REDIRECT_URL = "dashboard:overview"

LANGUAGE_CODE = ENV.language
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
TIME_ZONE = ENV.time_zone
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"  # Filled by `make`, shipped in the image.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# The browser may load only our own files, and run no inline script.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        "manifest-src": [SELF],
        # HTML fragments never contain scripts.
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["htmx"],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Cookies ignore ports: two clusters on one host would otherwise log each other's users out.
_COOKIE_SUFFIX = hashlib.sha256(f"cookies {SECRET_KEY}".encode()).hexdigest()[:8]
SESSION_COOKIE_NAME = f"agentflow_session_{_COOKIE_SUFFIX}"
CSRF_COOKIE_NAME = f"agentflow_csrf_{_COOKIE_SUFFIX}"
SESSION_ENGINE = "dashboard.accounts.sessions"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
# For forms and for the socket (dashboard/live/origin.py).
CSRF_TRUSTED_ORIGINS = ENV.csrf_trusted_origins
CSRF_FAILURE_VIEW = "dashboard.csrf.answer_csrf_failure"
# X-Forwarded-* is trusted only if the operator declares that their proxy sets it.
BEHIND_HTTPS_PROXY = ENV.behind_https_proxy
TRUSTED_PROXIES = ENV.trusted_proxies
if BEHIND_HTTPS_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = f"__Host-{SESSION_COOKIE_NAME}"
    CSRF_COOKIE_NAME = f"__Host-{CSRF_COOKIE_NAME}"
    SECURE_HSTS_SECONDS = 31_536_000
# Sub-domains and browsers' preload lists are the domain owner's decision.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
# Origins that the operator names may call the REST API, but never with this site's cookies.
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOWED_ORIGINS = ENV.cors_allowed_origins
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

REST_FRAMEWORK: dict[str, Any] = {
    # Bearer first: DRF sends the first class's challenge with a 401.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "dashboard.api.authentication.BearerAuthentication",
        "dashboard.api.authentication.SessionWithOrigin",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["dashboard.api.permissions.HasRight"],
    "DEFAULT_PARSER_CLASSES": ["dashboard.api.bodies.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["dashboard.api.bodies.JsonRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["dashboard.api.throttles.RequestThrottle", "dashboard.api.throttles.ChangeThrottle"],
    "EXCEPTION_HANDLER": "dashboard.api.errors.answer_error",
    "URL_FORMAT_OVERRIDE": None,
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "agentflow_site.visible_log.VisibleFormatter",
            "format": "%(asctime)s %(levelname)-7s %(name)s %(message)s",
        }
    },
    "filters": {"one-line": {"()": "dashboard.refused.OneLine"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["one-line"]}},
    "root": {"handlers": ["console"], "level": ENV.log_level},
    # The access log (agentflow.access) already has refused requests.
    "loggers": {"django.request": {"level": "ERROR"}},
}
