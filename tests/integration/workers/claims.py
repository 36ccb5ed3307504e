"""Claims that tests need and no worker has made."""

from millrace.envelope import Envelope

from workers.verdicts import Claim, Request


def first_claim(envelope: Envelope) -> Claim:
    """The first attempt at an event, in the group `g`."""
    request = Request(
        group="g", envelope=envelope, fingerprint="f", generation=0, owner="me", lease_seconds=30, max_attempts=3
    )
    return Claim(request=request, attempt=1, fence=1)
