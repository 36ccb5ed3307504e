"""`python -m bench.ingress`: events a second out of SQS, to RabbitMQ and to handlers, beside a plain boto3 loop."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import click
from millrace import aws_names
from millrace.aws_derived import SQS_BATCH
from millrace.envelope import seal

from bench import facts, tables
from bench.aws_catalog import CATALOG
from bench.aws_ways import (
    LAMBDA,
    LOOP,
    MILLRACE,
    Place,
    Way,
    loop_to_broker,
    loop_to_handler,
    to_broker,
    to_lambda,
    to_lane,
)
from bench.catalog import OrderPlaced
from bench.crew import Crew
from bench.draining import FROM, TO, wait_for
from bench.orders import order
from bench.report import Report
from bench.running import Axis, Case, run_all
from bench.servers import Servers, running_servers
from bench.spread import Figures
from infra.offline_engine import AwsTarget
from operations.cli.output import show_table
from operations.faults.ending import ended_by_signals
from operations.local.localstack import ACCOUNT
from tests.localstack_server import Aws, running_localstack

REPORT = Path(".local") / "bench" / "ingress.json"
EVENTS = 2_000
#: What must be reached, against the plain loop.
TARGET = 3.0


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="How often each is measured.")
@click.option("--report", "path", type=click.Path(dir_okay=False, path_type=Path), default=REPORT, show_default=True)
def main(rounds: int, path: Path) -> None:
    """Let events wait in SQS and measure how fast each way takes them out, in alternation.

    LocalStack, RabbitMQ and PostgreSQL are the run's own; on two cores LocalStack is what all wait for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with ended_by_signals(), running_servers() as servers, _place(servers) as place:
        versions = {**facts.versions(servers), "boto3": version("boto3")}
        report = Report(machine=facts.machine(), versions=versions)
        run_all(
            servers,
            _axes(place, rounds),
            report,
            partial(click.echo, err=True),
            partial(_keep, report, path),
        )
    for lines in tables.sections(report):
        show_table(lines.columns, lines.rows, title=f"\n{lines.title}")
    click.echo(f"at least {TARGET:g} times the plain loop is wanted; {path}")


def _keep(report: Report, path: Path) -> None:
    path.write_text(json.dumps(report.as_json(), indent=1) + "\n")


def _axes(place: Place, rounds: int) -> list[Axis]:
    broker = {LOOP: loop_to_broker, MILLRACE: to_broker}
    handler = {LOOP: loop_to_handler, MILLRACE: to_lane, LAMBDA: to_lambda}
    return [
        Axis(
            name=name,
            title=title,
            cases=[Case(name=case, measure=partial(_measure, place=place, way=way)) for case, way in ways.items()],
            rounds=rounds,
        )
        for name, title, ways in (
            ("sqs-broker", "From SQS to RabbitMQ, confirmed", broker),
            ("sqs-handler", "From SQS to a handler with an effect", handler),
        )
    ]


@contextmanager
def _place(servers: Servers) -> Iterator[Place]:
    with running_localstack() as endpoint:
        aws = Aws(endpoint, ACCOUNT)
        stack = servers.own_stack("sqs", "bench.aws_catalog:CATALOG", "bench.handlers")
        servers.bring_up(stack, CATALOG, AwsTarget(endpoint=endpoint))
        try:
            yield Place(servers=servers, stack=stack, aws=aws)
        finally:
            stack.destroy()


def _measure(_servers: Servers, place: Place, way: Way) -> Figures:
    """The rate of the middle part, as of all that is drained here."""
    with way(place) as route:
        _fill(place, route.queue)
        with Crew(route.commands, route.environment, place.servers.directory / "crew.log") as crew:

            def left() -> int:
                return EVENTS - route.arrived()

            wait_for(left, EVENTS * FROM, crew)
            began, first = time.monotonic(), left()
            wait_for(left, EVENTS * TO, crew)
            seconds, last = time.monotonic() - began, left()
            wait_for(left, 0, crew)
    return {"per_second": (first - last) / seconds}


def _fill(place: Place, queue: str) -> None:
    """Publish to the topic; what other subscribers got of it is thrown away."""
    topic = aws_names.topic(place.stack.vhost, CATALOG.events[0])
    arn = aws_names.arn("sns", place.aws.region, place.aws.account, topic)
    with closing(place.aws.client("sns")) as sns, closing(place.aws.client("sqs")) as sqs:
        for start in range(0, EVENTS, SQS_BATCH):
            texts = [_event(number) for number in range(start, start + SQS_BATCH)]
            entries = [{"Id": str(at), "Message": text} for at, text in enumerate(texts)]
            sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
        for other in place.queues:
            if other != queue:
                sqs.purge_queue(QueueUrl=place.url(other))


def _event(number: int) -> str:
    return seal(OrderPlaced(**order(number, 0, 0)), source="/bench").to_bytes().decode()


if __name__ == "__main__":
    main()
