"""Several addresses of one broker."""

import pytest
from millrace.errors import BrokerUnreachable, ConfirmTimeout, PublishError
from millrace.publishing import addresses as addresses_module
from millrace.publishing import sender
from millrace.publishing.addresses import addresses, begin_anywhere, vhost_of
from millrace.publishing.sender import Sender

ONE, TWO, THREE = (f"amqp://web:hunter2@broker{number}/dev" for number in (1, 2, 3))


def test_one_and_several() -> None:
    assert addresses(ONE) == (ONE,)
    assert addresses(f"{ONE};{TWO} ; {THREE}") == (ONE, TWO, THREE)
    assert vhost_of(f"{ONE};{TWO}") == "dev"


@pytest.mark.parametrize(("share", "first"), [(0.0, ONE), (0.34, TWO), (0.99, THREE)])
def test_a_process_begins_with_any_and_goes_on_in_turn(
    monkeypatch: pytest.MonkeyPatch, share: float, first: str
) -> None:
    monkeypatch.setattr(addresses_module, "_BEGIN", share)
    turned = begin_anywhere(f"{ONE};{TWO};{THREE}").split(";")
    assert turned[0] == first
    twice = [ONE, TWO, THREE] * 2
    assert turned == twice[twice.index(first) :][:3]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ("amqp://web:hunter2@broker2/prod", r"must be for one virtual host, got \['dev', 'prod'\]"),
        ("amqp://office:hunter2@broker2/dev", r"must be for one user, got \['office', 'web'\]"),
        ("", r"must be amqp\[s\]://"),
        ("broker2:5672", r"must be amqp\[s\]://"),
    ],
)
def test_addresses_of_two_brokers_are_refused_without_a_password(other: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        addresses(f"{ONE};{other}")
    assert "hunter2" not in str(caught.value)


class Connections:
    """Stands for the line to a broker, of which some nodes are out; notes who was tried, and how patiently."""

    def __init__(self, *out: str, mute: str = "") -> None:
        self.out = set(out)
        self.mute = mute
        self.tried: list[str] = []
        self.patience: list[float] = []

    def __call__(self, url: str, _timeout: float, patience: float) -> "Connections":
        self.tried.append(url)
        self.patience.append(patience)
        if url in self.out:
            raise BrokerUnreachable(f"{url[-5]} is out")
        return self

    def send(self, messages: list[object]) -> list[PublishError | None]:
        self.broken = self.worn = True
        return [ConfirmTimeout("mute") if self.tried[-1] == self.mute else None] * len(messages)

    def abandon(self) -> None:
        """Nothing to close."""


def test_the_next_address_is_tried_and_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Connections(ONE)
    monkeypatch.setattr(sender, "ConfirmedConnection", line)
    one = Sender(f"{ONE};{TWO};{THREE}", timeout=3.0)
    assert one.send(["message"]) == [None]  # type: ignore[list-item]
    assert one.send(["message"]) == [None]  # type: ignore[list-item]
    assert line.tried == [ONE, TWO, TWO]
    assert set(line.patience) == {1.0}, "all addresses share the time that one would have"


def test_with_all_out_each_is_tried_twice_and_the_error_told(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Connections(ONE, TWO)
    monkeypatch.setattr(sender, "ConfirmedConnection", line)
    (error,) = Sender(f"{ONE};{TWO}").send(["message"])  # type: ignore[list-item]
    assert isinstance(error, BrokerUnreachable)
    assert line.tried == [ONE, TWO, ONE, TWO]


def test_a_node_that_takes_connections_but_confirms_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was cut from the others does so until it notices, which may take a minute."""
    line = Connections(THREE, mute=TWO)
    monkeypatch.setattr(sender, "ConfirmedConnection", line)
    one = Sender(f"{TWO};{THREE};{ONE}")
    assert isinstance(one.send(["message"])[0], ConfirmTimeout)  # type: ignore[list-item]
    assert one.send(["message"]) == [None]  # type: ignore[list-item]
    assert line.tried == [TWO, THREE, ONE]
