"""Which store MILLRACE_INBOX_URL names, and what it promises; a store's library is imported only where it is used."""

import importlib
from urllib.parse import SplitResult, urlsplit

from workers.stores.level import Level
from workers.stores.store import InboxStore, WrongInboxUrl

#: The store of each scheme, as module:class.
_STORES = {
    "postgresql+psycopg": "workers.stores.sql:LeaseStore",
    "dynamodb": "workers.stores.dynamodb:DynamoStore",
    "redis": "workers.stores.redis:RedisStore",
    "rediss": "workers.stores.redis:RedisStore",
}
FORMS = (
    "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE?mode=lease, dynamodb://TABLE?region=REGION[&endpoint=URL] "
    "or redis://HOST:PORT/NUMBER"
)


def require_store_url(url: str) -> None:
    """Raise WrongInboxUrl unless the URL names a store; nothing is opened."""
    _store_class(url)


def level_of(url: str | None) -> Level:
    """What the store at a URL promises; without one it is the database itself."""
    return Level.TRANSACTIONAL if url is None else _store_class(url).level


def open_store(url: str) -> InboxStore:
    """The store at a URL, for this process; raises WrongInboxUrl if it names none."""
    return _store_class(url).at(url)


def _store_class(url: str) -> type[InboxStore]:
    scheme = _split(url).scheme
    if scheme not in _STORES:
        raise WrongInboxUrl(f"must be {FORMS}, got the scheme {scheme!r}")
    module, _, name = _STORES[scheme].partition(":")
    found: type[InboxStore] = getattr(importlib.import_module(module), name)
    found.require_url(url)
    return found


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # the text may hold a password, so it is not said
        raise WrongInboxUrl(f"must be {FORMS}, got what is no URL") from None
