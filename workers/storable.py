"""Text as every store can hold it."""


def storable(text: str) -> str:
    """The text without what a database cannot hold: NUL (PostgreSQL) and lone surrogates (UTF-8)."""
    return text.replace("\x00", "?").encode("utf-8", "replace").decode()


def error_line(error: Exception) -> str:
    """An error in one line of at most 500 characters."""
    first_line = f"{type(error).__name__}: {error}".splitlines()[0]
    return storable(first_line[:500])
