"""A worker whose queue is deleted under it says so by its exit code: who supervises it starts it again or tells."""

import subprocess

from tests.integration.workers.stack import Stack, kill_tree, until


def test_a_worker_whose_queue_is_deleted_ends_with_an_error(stack: Stack) -> None:
    worker = stack.start_worker("ledger")
    stack.consuming("ledger")
    # Not at once: a worker that has just begun to consume does not learn of it (seen with RabbitMQ 3.10.8).
    until(lambda: stack.queue("ledger").get("consumers") == 1, what="ledger's consumer in the broker's numbers")
    with stack.broker.management() as client:
        client.delete(f"/api/queues/{stack.vhost}/ledger").raise_for_status()
    try:
        code = worker.wait(60)
    except subprocess.TimeoutExpired:
        kill_tree(worker.pid)
        raise AssertionError(f"the worker must end, got one that goes on; its log:\n{stack.log('ledger')}") from None
    assert code not in (0, None), (
        f"the exit code must tell of the deleted queue, got {code}; its log:\n{stack.log('ledger')}"
    )
