"""What a run has found, as plain data that becomes a table, a page and a plot."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from bench.spread import Figures, Spread


@dataclass
class Row:
    """One way to do what an axis measures; `failed` says why there are no more rounds."""

    name: str
    rounds: list[Figures] = field(default_factory=list)
    failed: str | None = None

    def spread(self, figure: str) -> Spread | None:
        """A figure of all rounds; None if it was not measured."""
        values = [each[figure] for each in self.rounds if figure in each]
        return Spread.of(values) if values else None

    @property
    def figures(self) -> list[str]:
        """What was measured, in order."""
        return list(self.rounds[0]) if self.rounds else []


@dataclass
class Section:
    """What was found along one axis; ratios are of `figure`, against the first row."""

    axis: str
    title: str
    figure: str
    rows: list[Row] = field(default_factory=list)

    def row(self, name: str) -> Row | None:
        """The row of this name."""
        return next((row for row in self.rows if row.name == name), None)


@dataclass
class Report:
    """All that was found."""

    machine: dict[str, str]
    versions: dict[str, str]
    minutes: float = 0.0
    sections: list[Section] = field(default_factory=list)

    def section(self, axis: str) -> Section | None:
        """The section of an axis."""
        return next((section for section in self.sections if section.axis == axis), None)

    def take_over(self, other: "Report", *, but: set[str]) -> None:
        """Take over what another report says of all axes but these."""
        self.minutes += other.minutes
        self.sections += [section for section in other.sections if section.axis not in but]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """From what `as_json` gave."""
        sections = [
            Section(**{**section, "rows": [Row(**row) for row in section["rows"]]}) for section in data["sections"]
        ]
        return cls(**{**data, "sections": sections})
