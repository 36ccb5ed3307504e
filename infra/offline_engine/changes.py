"""What a run did, or would do."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The resources that were created, put right or deleted, each as people call it."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    unchanged: int = 0
    #: At servers that are away: neither looked at nor changed.
    away: int = 0
    away_at: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many resources changed."""
        return len(self.created) + len(self.updated) + len(self.deleted)

    def __str__(self) -> str:
        parts = f"{len(self.created)} created, {len(self.updated)} put right, {len(self.deleted)} deleted"
        where = f"{' and '.join(self.away_at)} {'are' if len(self.away_at) > 1 else 'is'} away"
        away = f", {self.away} left alone ({where})" if self.away else ""
        return f"{parts}, {self.unchanged} unchanged{away}"
