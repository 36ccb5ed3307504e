"""The catalog of the AWS door's benchmark: one public event, taken by a lane and by a function."""

from millrace.declarations import Catalog, Event, LambdaGroup, Topic, WorkerGroup, seconds

from bench.catalog import OrderPlaced

CATALOG = Catalog(
    events=[Event(OrderPlaced, public=Topic())],
    groups=[WorkerGroup("with-effect", handles=[OrderPlaced], longest_runtime=seconds(0.1), replicas=(1, 8))],
    functions=[LambdaGroup("in-lambda", handles=[OrderPlaced], longest_runtime=seconds(1))],
)
