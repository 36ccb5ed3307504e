"""The catalog of many event types."""

from bench.many import GROUP, catalog_of


def test_it_has_as_many_types_as_it_was_asked_for() -> None:
    catalog = catalog_of(3)
    assert [event.type for event in catalog.events] == ["order.kind_0", "order.kind_1", "order.kind_2"]
    assert [group.name for group in catalog.groups] == [GROUP]
