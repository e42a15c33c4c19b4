"""What ``yolokit data check`` found, in lines and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from yolokit.data.audit import Finding
from yolokit.plain_text import tamed


def findings_text(findings: Sequence[Finding], *, most: int | None) -> str:
    """A line for each, and below it its cases.

    Args:
        findings: in the order of the lines.
        most: cases shown of each; None: all.
    """
    return "".join(f"{line}\n" for finding in findings for line in _lines(finding, most))


def _lines(finding: Finding, most: int | None) -> list[str]:
    shown = finding.details[:most]
    lines = [f"{finding.level}: {finding.split}: {tamed(finding.summary)}"]
    lines += [f"    {tamed(detail)}" for detail in shown]
    if (more := finding.count - len(shown)) > 0 and finding.details:
        lines.append(f"    and {more} more" + ("" if most is None else ": --all prints them"))
    return lines


def findings_values(splits: Sequence[str], findings: Sequence[Finding]) -> dict[str, Any]:
    """``{"splits": [name], "findings": [{level, split, summary, details, code, count}]}``."""
    return {"splits": list(splits), "findings": [asdict(finding) for finding in findings]}
