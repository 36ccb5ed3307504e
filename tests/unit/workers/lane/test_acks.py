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
        acks.arrived(message.delivery_tag, message)  # type: ignore[arg-type]
    return channel, acks, messages


def tags(messages: list[Any]) -> list[int]:
    return [message.delivery_tag for message in messages]


def test_a_whole_batch_is_one_frame() -> None:
    channel, acks, messages = delivered(100)
    acks.ack(tags(messages))
    assert (channel.acked, channel.frames) == (set(range(1, 101)), 1)


def test_what_the_pool_has_is_not_passed() -> None:
    channel, acks, _ = delivered(5)
    acks.ack([1, 2, 4, 5])
    assert (channel.acked, channel.unacked) == ({1, 2, 4, 5}, {3})


def test_what_only_the_lane_can_settle_is_not_passed() -> None:
    """It has no message yet that could tell."""
    channel = FakeChannel(unacked={1, 2, 3})
    acks = Acks(channel)
    for tag in (1, 2, 3):
        acks.arrived(tag)
    acks.ack([2, 3])
    assert channel.unacked == {1}
    acks.arrived(1, FakeMessage(1))  # type: ignore[arg-type]
    acks.ack([1])
    assert channel.unacked == set()


def test_what_others_have_settled_is_passed() -> None:
    channel, acks, messages = delivered(3)
    channel.basic_ack(2)
    messages[1].acknowledged = True
    acks.ack([1, 3])
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
    acks.ack(tags(batch))
    acks.ack(tags(by_owner.get("later", [])))
    assert channel.unacked == {message.delivery_tag for message in by_owner.get("pool", [])}
