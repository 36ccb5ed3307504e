"""What the publisher for coroutines promises beyond the other one's: sharing, cancelling, and a loop that goes on."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest
from millrace import InvalidEvent, seal
from millrace.derived import sending_bound
from millrace.errors import BrokerUnreachable, ConfirmTimeout, NotAllPublished, PublishError, Unroutable
from millrace.events import AccountCreated, UserSignedUp
from millrace.publishing import AsyncPublisher
from millrace.publishing.message import Message
from millrace.publishing.sender import Sender

from operations.faults.proxy import Proxy
from operations.local.ports import free_ports
from tests.integration.millrace.stack import Stack

EVENT = UserSignedUp(user_id="1")
ELSEWHERE = AccountCreated(account_id="1", user_id="1")
TIMEOUT = 0.5
#: A batch waits for the one before it; and two seconds more, on a loaded machine.
BOUND = 2 * sending_bound(TIMEOUT) + 2


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each batch had."""
    sizes: list[int] = []
    send = Sender.send

    def noted(self: Sender, messages: Sequence[Message]) -> list[PublishError | None]:
        sizes.append(len(messages))
        return send(self, messages)

    monkeypatch.setattr(Sender, "send", noted)
    return sizes


async def wait_for_batches(batches: list[int], count: int) -> None:
    """Until so many have begun."""
    async with asyncio.timeout(30):
        while len(batches) < count:
            await asyncio.sleep(0.01)


def no_thread_is_left() -> bool:
    return not [each for each in threading.enumerate() if each.name == "millrace-publisher"]


def test_one_and_many_arrive_in_order_and_nothing_is_left_running(stack: Stack) -> None:
    events = [seal(UserSignedUp(user_id=str(n)), source="/test", id=str(n)) for n in range(2_000)]

    async def publish() -> list[str]:
        async with AsyncPublisher(stack.service_url()) as publisher:
            first = await publisher.publish(EVENT, id="first", partition_key="p")
            return [first, *await publisher.publish_many(iter(events))]

    ids = asyncio.run(publish())
    assert ids == ["first", *(each.id for each in events)]
    assert [each.id for each in stack.taken("signup", len(ids))] == ids
    assert no_thread_is_left()


def test_what_many_publish_at_a_time_shares_a_connection_and_is_one_batch(stack: Stack, batches: list[int]) -> None:
    ids = [str(n) for n in range(100)]

    async def publish(proxy: Proxy) -> None:
        async with AsyncPublisher(stack.service_url(port=proxy.port)) as publisher:
            await publisher.publish(EVENT, id="connected")
            proxy.hold(up=False)
            first = asyncio.create_task(publisher.publish(EVENT, id="first"))
            await wait_for_batches(batches, 2)
            rest = [asyncio.create_task(publisher.publish(EVENT, id=each)) for each in ids]
            await asyncio.sleep(0)
            proxy.let_pass()
            assert await asyncio.gather(first, *rest) == ["first", *ids]

    with Proxy(stack.broker.amqp_host, stack.broker.amqp_port) as proxy:
        asyncio.run(publish(proxy))
        assert proxy.accepted == 1
    assert batches == [1, 1, 100]
    assert [each.id for each in stack.taken("signup", 102)] == ["connected", "first", *ids]


def test_each_coroutine_gets_its_own_outcome(stack: Stack) -> None:
    async def publish() -> tuple[str | list[str] | BaseException, ...]:
        async with AsyncPublisher(stack.service_url()) as publisher:
            calls = (
                publisher.publish(EVENT, id="a"),
                publisher.publish(ELSEWHERE, id="b"),
                publisher.publish_many([seal(each, source="/t", id=each.event_type) for each in (ELSEWHERE, EVENT)]),
                publisher.publish(EVENT, id="c"),
                publisher.publish_many([]),
            )
            return await asyncio.gather(*calls, return_exceptions=True)

    with stack.no_way_in():
        stack.channel.queue_bind("workflow", "in", "account.created")
        a, b, many, c, none = asyncio.run(publish())
        stack.channel.queue_unbind("workflow", "in", "account.created")
    assert (b, none) == ("b", [])
    assert isinstance(a, Unroutable)
    assert isinstance(c, Unroutable)
    assert isinstance(many, NotAllPublished)
    assert set(many.failed) == {"user.signed_up"}


def test_who_is_cancelled_harms_no_other_and_what_had_not_begun_is_not_sent(stack: Stack, batches: list[int]) -> None:
    async def publish(proxy: Proxy) -> None:
        async with AsyncPublisher(stack.service_url(port=proxy.port)) as publisher:
            await publisher.publish(EVENT, id="connected")
            proxy.hold(up=False)
            begun = asyncio.create_task(publisher.publish(EVENT, id="begun"))
            await wait_for_batches(batches, 2)
            waiting = [asyncio.create_task(publisher.publish(EVENT, id=each)) for each in ("cancelled", "kept")]
            await asyncio.sleep(0)
            for task in (begun, waiting[0]):
                task.cancel()
            await asyncio.wait([begun, waiting[0]])
            proxy.let_pass()
            assert await waiting[1] == "kept"
            assert begun.cancelled()
            assert waiting[0].cancelled()

    with Proxy(stack.broker.amqp_host, stack.broker.amqp_port) as proxy:
        asyncio.run(publish(proxy))
    assert [each.id for each in stack.taken("signup", 3)] == ["connected", "begun", "kept"]
    assert batches == [1, 1, 1]


def test_a_silent_broker_is_told_in_bounded_time_while_the_loop_goes_on(stack: Stack) -> None:
    async def publish(proxy: Proxy) -> None:
        async with AsyncPublisher(stack.service_url(port=proxy.port), timeout=TIMEOUT) as publisher:
            await publisher.publish(EVENT, id="before")
            proxy.hold()
            start = time.monotonic()
            calls = [asyncio.create_task(publisher.publish(EVENT)) for _ in range(10)]
            calls.append(asyncio.create_task(publisher.publish_many([EVENT] * 500)))  # type: ignore[arg-type]
            await asyncio.sleep(TIMEOUT / 10)
            assert not any(call.done() for call in calls), "the loop must turn while the broker is waited for"
            errors = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(each) for each in errors} <= {ConfirmTimeout, BrokerUnreachable, NotAllPublished}
            assert len({id(each) for each in errors}) == len(errors), "each is raised with a traceback of its own"
            assert time.monotonic() - start < BOUND
            proxy.let_pass()
            await publisher.publish(EVENT, id="after")

    with Proxy(stack.broker.amqp_host, stack.broker.amqp_port) as proxy:
        asyncio.run(publish(proxy))
    assert no_thread_is_left()


def test_after_a_cut_and_with_one_address_out_it_publishes(stack: Stack) -> None:
    async def publish(proxy: Proxy) -> None:
        urls = (stack.service_url(port=port) for port in (*free_ports(1), proxy.port))
        async with AsyncPublisher(";".join(urls)) as publisher:
            await publisher.publish(EVENT, id="before")
            proxy.cut()
            await publisher.publish(EVENT, id="after")

    with Proxy(stack.broker.amqp_host, stack.broker.amqp_port) as proxy:
        asyncio.run(publish(proxy))
    assert [each.id for each in stack.taken("signup", 2)] == ["before", "after"]


def test_what_goes_wrong_in_the_thread_reaches_who_waits(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    async def publish() -> None:
        async with AsyncPublisher(stack.service_url()) as publisher:
            with monkeypatch.context() as patch:
                patch.setattr(Sender, "send", lambda *_: 1 // 0)
                with pytest.raises(ZeroDivisionError):
                    await publisher.publish(EVENT)
            await publisher.publish(EVENT, id="after")

    asyncio.run(publish())
    assert [each.id for each in stack.taken("signup", 1)] == ["after"]


def test_closing_publishes_what_was_begun_and_a_closed_one_opens_again(stack: Stack) -> None:
    async def publish() -> None:
        publisher = AsyncPublisher(stack.service_url())
        begun = [asyncio.create_task(publisher.publish(EVENT, id=str(n))) for n in range(20)]
        await asyncio.sleep(0)
        await publisher.close()
        assert no_thread_is_left()
        assert await asyncio.gather(*begun) == [str(n) for n in range(20)]
        await publisher.publish(EVENT, id="after")
        await publisher.close()

    asyncio.run(publish())
    assert [each.id for each in stack.taken("signup", 21)] == [*(str(n) for n in range(20)), "after"]


def test_a_loop_that_ends_before_the_answer_leaves_no_thread_waiting(stack: Stack) -> None:
    async def begin(publisher: AsyncPublisher) -> None:
        task = asyncio.create_task(publisher.publish(EVENT, id="begun"))
        await asyncio.sleep(0)
        task.cancel()

    async def end(publisher: AsyncPublisher) -> None:
        with pytest.raises(RuntimeError, match="must be used in one event loop, or be closed"):
            await publisher.publish(EVENT, id="elsewhere")
        await publisher.close()

    publisher = AsyncPublisher(stack.service_url())
    asyncio.run(begin(publisher))
    asyncio.run(end(publisher))
    assert no_thread_is_left()
    message = stack.take("signup")
    assert message is None or message.properties["message_id"] == "begun"
    assert stack.take("signup") is None


def test_nothing_is_sent_if_one_of_many_is_not_valid(stack: Stack) -> None:
    async def publish() -> None:
        async with AsyncPublisher(stack.service_url()) as publisher:
            with pytest.raises(InvalidEvent):
                await publisher.publish_many([EVENT, UserSignedUp.model_construct()])
            with pytest.raises(InvalidEvent):
                await publisher.publish(UserSignedUp.model_construct())
            await publisher.publish(EVENT, id="sentinel")

    asyncio.run(publish())
    assert [each.id for each in stack.taken("signup", 1)] == ["sentinel"]
