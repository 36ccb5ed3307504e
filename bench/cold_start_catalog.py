"""The catalog of bench.cold_start: the sample's audit function by itself."""

from millrace.declarations import Catalog, Event, LambdaGroup, Topic
from millrace.events import UserSignedUp

CATALOG = Catalog(
    events=[Event(UserSignedUp, public=Topic())],
    groups=[],
    functions=[LambdaGroup("audit", handles=[UserSignedUp])],
)
