"""Faults as they are come upon, gathered by code."""

from __future__ import annotations

from yolokit.data.coco_tree import CASES_KEPT, Fault, Level


class FaultList:
    """Counts faults of one code together and keeps the first cases."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[Level, str, str, bool]] = {}
        self._cases: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def add(
        self,
        code: str,
        level: Level,
        what: str,
        advice: str,
        case: str = "",
        *,
        stops_scoring: bool = False,
    ) -> None:
        """One case more; ``what`` follows the count, as in "images have no usable id"."""
        self._kinds.setdefault(code, (level, what, advice, stops_scoring))
        self._counts[code] = self._counts.get(code, 0) + 1
        cases = self._cases.setdefault(code, [])
        if case and len(cases) < CASES_KEPT:
            cases.append(case)

    def listed(self) -> list[Fault]:
        """All faults, in the order in which each was first met."""
        return [
            Fault(
                code=code,
                level=level,
                count=self._counts[code],
                summary=f"{self._counts[code]} {what}" if self._cases[code] else f"it {what}",
                cases=tuple(self._cases[code]),
                advice=advice,
                stops_scoring=stops_scoring,
            )
            for code, (level, what, advice, stops_scoring) in self._kinds.items()
        ]
