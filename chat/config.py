"""The operator's choice of engine. `agentflow_site.env` reads it once."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVIDERS = ("auto", "anthropic", "compatible", "offline")
DEFAULT_MODEL = "claude-sonnet-5-5"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatConfig:
    provider: str = "auto"  # "auto": Anthropic if there is a key, else offline.
    model: str = DEFAULT_MODEL
    base_url: str = ""  # Empty = the provider's default.
    api_key: str = field(default="", repr=False)
    daily_limit_usd: float = 0.0  # 0 = no limit

    @property
    def uses_model(self) -> bool:
        return self.provider != "offline" and bool(self.api_key)

    @property
    def is_compatible(self) -> bool:
        """The endpoint speaks the Messages API, but may support only its basic features."""
        return self.provider == "compatible"
