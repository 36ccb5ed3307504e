"""Messages for SNS and SQS."""

from millrace.aws_messages import ATTRIBUTES_BYTES, MOST_BYTES, batches, sendable

Entry = tuple[int, str, int]


def target(entry: Entry) -> str:
    """Where it goes."""
    return entry[1]


def text(entry: Entry) -> bytes:
    """Its bytes."""
    return b"x" * entry[2]


def test_they_are_of_one_target_and_bounded() -> None:
    mixed = [(number, "ab"[number % 2], 1) for number in range(30)]
    large = [(100 + number, "a", 60_000) for number in range(9)]
    whole = [(200, "b", 300_000)]
    entries = [*mixed, *large, *whole]
    found = batches(entries, target=target, text=text)
    assert sorted(entry for batch in found for entry in batch) == sorted(entries)
    for batch in found:
        assert len({entry[1] for entry in batch}) == 1
        assert len(batch) <= 10
        assert len(batch) == 1 or sum(entry[2] + ATTRIBUTES_BYTES for entry in batch) <= MOST_BYTES


def test_a_target_keeps_its_order_and_full_batches_are_made() -> None:
    found = batches([(number, "a", 1) for number in range(13)], target=target, text=text)
    assert [[entry[0] for entry in batch] for batch in found] == [[*range(10)], [10, 11, 12]]


def test_nothing_makes_no_batch() -> None:
    assert batches([], target=target, text=text) == []


def test_what_sqs_does_not_take() -> None:
    """It is written as JSON writes it."""
    assert sendable("ä\t\n😀\x00\x1f\ufffe\ud800") == "ä\t\n😀\\u0000\\u001f\\ufffe\\ud800"
