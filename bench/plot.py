"""Draws the main figures: `python -m bench.plot REPORT.json PLOT.png`, in the peers' environment (matplotlib)."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

DRAWN = ("drain", "tables", "publish")
OURS, THEIRS = "#c0392b", "#8395a7"
ROW_INCHES, WIDTH_INCHES, DPI = 0.32, 9, 110


def draw(report: Mapping[str, Any], target: Path) -> None:
    """One panel of bars for each axis that has a rate, the highest on top."""
    panels = [(section["title"], _bars(section)) for section in report["sections"] if section["axis"] in DRAWN]
    panels = [(title, bars) for title, bars in panels if bars]
    if not panels:
        return
    sizes = [len(bars) + 2 for _, bars in panels]
    figure, axes = plt.subplots(
        len(panels), 1, squeeze=False, figsize=(WIDTH_INCHES, ROW_INCHES * sum(sizes)), height_ratios=sizes
    )
    for axis, (title, bars) in zip(axes[:, 0], panels, strict=True):
        _panel(axis, title, bars)
    figure.tight_layout()
    figure.savefig(target, dpi=DPI)


def _bars(section: Mapping[str, Any]) -> list[tuple[str, list[float]]]:
    found = [(row["name"], [each["per_second"] for each in row["rounds"]]) for row in section["rows"] if row["rounds"]]
    return sorted(found, key=lambda bar: median(bar[1]))


def _panel(axis: Any, title: str, bars: Sequence[tuple[str, list[float]]]) -> None:
    names, rates = [name for name, _ in bars], [median(values) for _, values in bars]
    spread = [
        [rate - min(values) for rate, (_, values) in zip(rates, bars, strict=True)],
        [max(values) - rate for rate, (_, values) in zip(rates, bars, strict=True)],
    ]
    colours = [OURS if name.startswith("Millrace") else THEIRS for name in names]
    axis.barh(names, rates, xerr=spread, color=colours, ecolor="#2f3640", capsize=2)
    axis.set_title(f"{title}, per second", fontsize=10, loc="left")
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    for place, (rate, (_, values)) in enumerate(zip(rates, bars, strict=True)):
        axis.text(max(values), place, f"  {rate:,.0f}", va="center", fontsize=8)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
