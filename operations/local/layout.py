"""Where things of the local stack lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Layout:
    """The files of one local stack, all below one directory (`.local/` in the repository)."""

    root: Path = REPOSITORY / ".local"

    @property
    def broker(self) -> Path:
        """The own RabbitMQ node's directory."""
        return self.root / "broker"

    @property
    def state(self) -> Path:
        """The offline engine's state."""
        return self.root / "state"

    @property
    def pulumi(self) -> Path:
        """The pulumi CLI's state and configuration."""
        return self.root / "pulumi"

    @property
    def fleet(self) -> Path:
        """What should run; the supervisor follows it."""
        return self.root / "fleet.json"

    @property
    def processes(self) -> Path:
        """What runs; written by the supervisor."""
        return self.root / "processes.json"

    @property
    def numbers(self) -> Path:
        """How many workers each group is to have; written by the scaler, followed by the supervisor."""
        return self.root / "numbers.json"

    @property
    def by_hand(self) -> Path:
        """The numbers that a person has set."""
        return self.root / "scale.json"

    @property
    def lock(self) -> Path:
        """Held by the running supervisor; holds its process id."""
        return self.root / "supervisor.lock"

    @property
    def stack(self) -> Path:
        """URLs and credentials of the running stack."""
        return self.root / "stack.json"

    @property
    def database(self) -> Path:
        """The default database."""
        return self.root / "millrace.db"

    @property
    def mails(self) -> Path:
        """What the mail sink accepted, one JSON object a line."""
        return self.root / "mails.jsonl"

    def log(self, process: str) -> Path:
        """The log of one process."""
        return self.root / "logs" / f"{process}.log"

    def make(self) -> None:
        """Make the directory, for its owner only."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
