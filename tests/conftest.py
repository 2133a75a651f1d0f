"""Fixtures of all tests."""

from __future__ import annotations

import hypothesis
import pytest
from django.conf import settings

# The same examples in every run, and no judgement by the clock: the machine may be busy.
hypothesis.settings.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A database file, as in life: several threads cannot share one in memory."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        from django.db import connections

        path = str(tmp_path_factory.mktemp("database") / "db.sqlite3")
        connections["default"].settings_dict["TEST"]["NAME"] = path
