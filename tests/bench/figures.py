"""The figures of the bench, and how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    name: str
    value: float
    unit: str
    floor: float | None = None  # The floor's figure from the same run.
    before: float | None = None  # The figure of an earlier version, from another day.
    aim: str = ""  # The target; for the ratio if there is a floor.
    is_met: bool | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None

    def row(self, width: int) -> str:
        floor = f"{self.floor:,.4g}" if self.floor is not None else ""
        before = f"{self.before:,.4g}" if self.before is not None else ""
        ratio = f"{self.ratio:.2f} ×" if self.ratio is not None else ""
        verdict = {True: "met", False: "MISSED", None: ""}[self.is_met]
        measured = f"{self.value:,.6g} {self.unit}"
        columns = f"{measured:>12}  {floor:>10}  {ratio:>7}  {before:>8}  {self.aim:>8}  {verdict}"
        return f"{self.name:<{width}}  {columns}".rstrip()


def at_most(name: str, value: float, unit: str, *, times: float, floor: float) -> Figure:
    """A figure that may be at most `times` the floor."""
    return Figure(name=name, value=value, unit=unit, floor=floor, aim=f"≤ {times:g} ×", is_met=value <= times * floor)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
