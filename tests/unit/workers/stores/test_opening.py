"""Which store a URL names, and at what level."""

import pytest

from workers.environment import SettingsError
from workers.settings import from_environment
from workers.stores.level import Level
from workers.stores.opening import level_of, require_store_url
from workers.stores.store import WrongInboxUrl

GOOD = {
    "postgresql+psycopg://me:secret@db/inbox?mode=lease": Level.FENCED,
    "dynamodb://inbox?region=eu-west-1": Level.FENCED,
    "dynamodb://inbox?region=eu-west-1&endpoint=http://127.0.0.1:4566&timeout=5": Level.FENCED,
    "redis://127.0.0.1:6379/0": Level.BEST_EFFORT,
    "rediss://me:secret@cache": Level.BEST_EFFORT,
}
BAD = {
    "postgresql+psycopg://me:secret@db/inbox": "mode=lease",
    "postgresql://me:secret@db/inbox?mode=lease": "got the scheme 'postgresql'",
    "sqlite:///inbox.db?mode=lease": "got the scheme 'sqlite'",
    "dynamodb://inbox": "region=REGION",
    "dynamodb://?region=eu-west-1": "dynamodb://TABLE",
    "dynamodb://inbox?region=eu-west-1&enpdoint=x": "got another form",
    "dynamodb://inbox?region=eu-west-1&timeout=soon": "got another form",
    "redis://": "redis://HOST",
    "redis://127.0.0.1/cache": "redis://HOST",
    "memory": "got the scheme ''",
    "redis://[::1": "got what is no URL",
}


@pytest.mark.parametrize(("url", "level"), GOOD.items())
def test_levels(url: str, level: Level) -> None:
    """A store's level is known without opening it."""
    require_store_url(url)
    assert level_of(url) is level


def test_without_a_url_it_is_the_database() -> None:
    """The default is the highest level."""
    assert level_of(None) is Level.TRANSACTIONAL


@pytest.mark.parametrize(("url", "said"), BAD.items())
def test_what_names_no_store_is_refused(url: str, said: str) -> None:
    """With the reason, and without a password."""
    with pytest.raises(WrongInboxUrl) as refused:
        require_store_url(url)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_setting_is_checked_at_start() -> None:
    """A process with a wrong inbox does not start; without one it uses the database."""
    needed = {"MILLRACE_BROKER_URL": "amqp://u:p@h/v", "MILLRACE_DATABASE_URL": "sqlite:///x.db"}
    assert from_environment(needed).inbox_url is None
    for url in BAD:
        with pytest.raises(SettingsError, match="MILLRACE_INBOX_URL must"):
            from_environment({**needed, "MILLRACE_INBOX_URL": url})
    assert from_environment({**needed, "MILLRACE_INBOX_URL": "redis://127.0.0.1"}).inbox_url == "redis://127.0.0.1"
