"""API tokens and login links. Secrets are stored only as hashes."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _


class ApiToken(models.Model):
    """A program's token for `/ws/` and the REST API, with at most the rights of its user."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=100)  # Its purpose, in the owner's words.
    # The highest role that it may have; empty = its user's. One with a role of its own takes no part in conversations:
    # they act with their user's rights.
    role = models.CharField(_("role"), max_length=8, blank=True)
    prefix = models.CharField(_("prefix"), max_length=12)  # First characters, to recognize it.
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the token, hex.
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)  # None = never: of an earlier version.
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)  # To the hour.
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class LoginLink(models.Model):
    """A link that logs its user in once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="login_links")
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the link's token, hex.
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = _("login link")
        verbose_name_plural = _("login links")
