"""`millrace publish`: one event, or one per line from standard input."""

import json
import sys
from typing import TYPE_CHECKING

import click
from millrace import names
from millrace.declarations import Catalog, Payload
from millrace.envelope import Envelope, parse_object, payload_from, seal
from millrace.errors import InvalidEvent

from operations.aws_place import ACCOUNT, REGION
from operations.cli import FAILED, INVALID
from operations.connections import NotRunning, catalog, connections

if TYPE_CHECKING:
    from millrace.publishing import Publisher, SnsPublisher

#: Events in bulk are confirmed in rounds of this many.
CHUNK = 500


@click.command("publish")
@click.argument("type_", metavar="TYPE")
@click.option("--data", required=True, help="The payload as a JSON object; `-` reads one object a line from stdin.")
@click.option("--id", "event_id", help="The event's id, so that a repetition is absorbed; random unless given.")
@click.option("--source", help="The CloudEvents source; by default that of the broker user.")
@click.option(
    "--door", type=click.Choice(["broker", "sns"]), default="broker", help="Through RabbitMQ, or through SNS."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def command(type_: str, data: str, event_id: str | None, source: str | None, door: str, as_json: bool) -> None:
    """Publish an event of TYPE (or of one of its aliases), checked against the catalog and confirmed by the broker.

    An invalid payload is refused with its field named, and nothing is sent (exit code 2). Through SNS go public types
    only, with the credentials that boto3 finds, or to the local stack's LocalStack.
    """
    known = catalog()
    if data == "-" and event_id is not None:
        raise click.UsageError("--id names one event; it cannot go with --data -")
    if data == "-":
        _publish_lines(known, type_, source, door, as_json)
        return
    payload = _payload(known, type_, data.encode())
    with _publisher(known, door) as publisher:
        published = publisher.publish(seal(payload, source=source or publisher.source, id=event_id))
    click.echo(json.dumps({"id": published}) if as_json else f"published {payload.event_type} {published}")
    if not as_json:
        click.echo(f"what became of it: millrace why {published}")


def _payload(known: Catalog, type_: str, raw: bytes) -> Payload:
    payload_class = known.event(type_).payload
    try:
        return payload_from(payload_class, parse_object(raw))
    except InvalidEvent as error:
        raise InvalidEvent("data", error.problem) if error.field == "envelope" else error from None


def _publisher(known: Catalog, door: str) -> "Publisher | SnsPublisher":
    """A publisher as the catalog's first service; nothing is opened yet."""
    from millrace.publishing import Publisher  # noqa: PLC0415 (after the payload is known to be good)

    if door == "sns":
        return _sns_publisher(known)
    if not known.services:
        raise NotRunning("the catalog must have a service to publish as, got none: add Service(...) to it")
    where = connections()
    return Publisher(where.broker_url(names.service_user(where.vhost, known.services[0].name)), catalog=known)


def _sns_publisher(known: Catalog) -> "SnsPublisher":
    from millrace.publishing import SnsPublisher  # noqa: PLC0415

    where = connections()
    place = where.aws()
    if place is None:
        problem = where.stack.get("aws", {}).get("problem", "no stack with an AWS door runs here")
        raise NotRunning(
            f"where AWS is must be known, got nothing ({problem}): run `make up`, or set {REGION}, {ACCOUNT}"
        )
    its = {"region": place.region, "account": place.account, "client": place.client("sns")}
    return SnsPublisher(where.vhost, source="/millrace", catalog=known, **its)


def _publish_lines(known: Catalog, type_: str, source: str | None, door: str, as_json: bool) -> None:
    """Check every line first, so that a bad one means nothing at all is sent; then send in rounds."""
    known.event(type_)
    with _publisher(known, door) as publisher:
        envelopes = []
        for number, line in enumerate(sys.stdin.buffer, start=1):
            if not line.strip():
                continue
            try:
                envelope = seal(_payload(known, type_, line), source=source or publisher.source)
                envelope.to_bytes()
            except InvalidEvent as error:
                click.echo(f"millrace: line {number}: {error}; nothing was sent", err=True)
                raise click.exceptions.Exit(INVALID) from None
            envelopes.append(envelope)
        _send(publisher, envelopes, as_json)


def _send(publisher: "Publisher | SnsPublisher", envelopes: list[Envelope], as_json: bool) -> None:
    from millrace.errors import NotAllPublished, PublishError  # noqa: PLC0415

    from operations.cli.progress import steps  # noqa: PLC0415

    confirmed: list[str] = []
    failed: dict[str, PublishError] = {}
    with steps("publishing", len(envelopes)) as advance:
        for start in range(0, len(envelopes), CHUNK):
            chunk = envelopes[start : start + CHUNK]
            try:
                publisher.publish_many(chunk)
            except NotAllPublished as error:
                failed.update(error.failed)
            confirmed += [envelope.id for envelope in chunk if envelope.id not in failed]
            advance(len(chunk))
    if as_json:
        click.echo(
            json.dumps(
                {"published": len(confirmed), "ids": confirmed, "failed": {k: str(v) for k, v in failed.items()}}
            )
        )
    else:
        click.echo(f"published {len(confirmed)} events")
    if failed:
        first = next(iter(failed.values()))
        click.echo(f"millrace: {len(failed)} events were not confirmed, the first: {first}", err=True)
        raise click.exceptions.Exit(FAILED)
