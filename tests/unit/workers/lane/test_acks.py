"""An ack with `multiple` settles all before it: it must pass nothing that somebody else has in hand."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workers.lane.acks import Acks


@dataclass
class FakeMessage:
    """A delivery."""

    delivery_tag: int
    acknowledged: bool = False


@dataclass
class FakeChannel:
    """A channel that does as a broker does: what is acked, and in how many frames."""

    unacked: set[int]
    frames: int = 0
    acked: set[int] = field(default_factory=set)

    def basic_ack(self, tag: int, multiple: bool = False) -> None:
        """Settle one, or all up to it; a tag that is settled already would close the channel."""
        assert tag in self.unacked
        self.frames += 1
        settled = {each for each in self.unacked if each <= tag} if multiple else {tag}
        self.unacked -= settled
        self.acked |= settled


def delivered(count: int) -> tuple[FakeChannel, Acks, list[Any]]:
    channel = FakeChannel(unacked=set(range(1, count + 1)))
    acks = Acks(channel)
    messages = [FakeMessage(tag) for tag in range(1, count + 1)]
    for message in messages:
        acks.arrived(message)  # type: ignore[arg-type]
    return channel, acks, messages


def test_a_whole_batch_is_one_frame() -> None:
    channel, acks, messages = delivered(100)
    acks.ack(messages)
    assert (channel.acked, channel.frames) == (set(range(1, 101)), 1)


def test_what_the_pool_has_is_not_passed() -> None:
    channel, acks, messages = delivered(5)
    acks.ack([messages[0], messages[1], messages[3], messages[4]])
    assert (channel.acked, channel.unacked) == ({1, 2, 4, 5}, {3})


def test_what_others_have_settled_is_passed() -> None:
    channel, acks, messages = delivered(3)
    channel.basic_ack(2)
    messages[1].acknowledged = True
    acks.ack([messages[0], messages[2]])
    assert (channel.unacked, channel.frames) == (set(), 2)


@given(owners=st.lists(st.sampled_from(["lane", "pool", "settled", "later"]), max_size=30), order=st.randoms())
def test_just_the_batch_is_acked(owners: list[str], order: Any) -> None:
    channel, acks, messages = delivered(len(owners))
    by_owner = {
        owner: [message for message, its in zip(messages, owners, strict=True) if its == owner] for owner in set(owners)
    }
    for message in by_owner.get("settled", []):
        channel.basic_ack(message.delivery_tag)
        message.acknowledged = True
    batch = by_owner.get("lane", [])
    order.shuffle(batch)
    acks.ack(batch)
    later = by_owner.get("later", [])
    acks.ack(later)
    assert channel.unacked == {message.delivery_tag for message in by_owner.get("pool", [])}
