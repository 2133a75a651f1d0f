"""The cost of a request in millionths of a US dollar. Pure. An unknown model is priced like the most expensive one, so
that the daily limit still holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chat.engines.protocol import Usage

# Relative to the input price.
_CACHE_READ = 0.1
_CACHE_WRITE = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float

    def microusd(self, usage: Usage) -> int:
        cached = usage.cache_read * _CACHE_READ + usage.cache_write * _CACHE_WRITE
        return round((usage.input + cached) * self.input + usage.output * self.output)


PRICES: Mapping[str, Price] = {
    "claude-sonnet-5-5": Price(input=2, output=10),
    # The higher price, for more than 100,000 input tokens, so that the limit is never exceeded.
    "claude-haiku-5-5": Price(input=0.5, output=2.5),
    "claude-opus-5-5": Price(input=4, output=20),
}
DEAREST = Price(input=15, output=75)


def cost_microusd(model: str, usage: Usage) -> int:
    return PRICES.get(model, DEAREST).microusd(usage)
