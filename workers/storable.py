"""Text as every store can hold it."""


def storable(text: str) -> str:
    """The text without what a database cannot hold: NUL (PostgreSQL) and lone surrogates (UTF-8)."""
    return text.replace("\x00", "?").encode("utf-8", "replace").decode()
