"""Names at AWS: allowed there, told apart, and the same each time."""

import re
from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st
from millrace import Event, Topic, aws_names
from millrace.declarations import EVENT_TYPE, GROUP_NAME, MAX_EVENT_TYPE_LENGTH
from millrace.events import UserSignedUp

QUEUE = re.compile(r"[A-Za-z0-9_-]{1,80}")
FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,64}")
TYPES = st.from_regex(EVENT_TYPE, fullmatch=True).filter(lambda text: len(text) <= MAX_EVENT_TYPE_LENGTH)
PREFIXES = st.from_regex(r"millrace-[A-Za-z0-9_.-]{1,60}", fullmatch=True)
FUNCTIONS = st.from_regex(GROUP_NAME, fullmatch=True).filter(lambda text: len(text) <= 30)


@given(PREFIXES, TYPES, FUNCTIONS)
def test_every_name_is_one_that_aws_takes(prefix: str, type_: str, function: str) -> None:
    for queue in (aws_names.ingress_queue(prefix, type_), aws_names.function_queue(prefix, function)):
        assert QUEUE.fullmatch(queue)
        assert QUEUE.fullmatch(aws_names.dead_queue(queue))
    assert FUNCTION.fullmatch(aws_names.function(prefix, function))
    assert re.fullmatch(r"[A-Za-z0-9_.-]{3,255}", aws_names.inbox_table(prefix, function))
    assert re.fullmatch(r"alias/[A-Za-z0-9/_-]{1,250}", aws_names.key_alias(prefix))
    assert fnmatchcase(aws_names.log_group(prefix, function), aws_names.log_groups(prefix))


@given(PREFIXES, st.lists(TYPES, min_size=2, max_size=2, unique=True))
def test_two_event_types_never_share_a_queue(prefix: str, types: list[str]) -> None:
    one, other = (aws_names.ingress_queue(prefix, type_) for type_ in types)
    assert one != other


def test_short_names_can_be_read() -> None:
    assert aws_names.ingress_queue("millrace-dev", "user.signed_up") == "millrace-dev-in-user--signed_up"
    assert aws_names.function_queue("millrace-dev", "audit") == "millrace-dev-fn-audit"
    assert aws_names.dead_queue("millrace-dev-fn-audit") == "millrace-dev-fn-audit-dead"
    assert aws_names.log_group("millrace-dev", "audit") == "/aws/lambda/millrace-dev-audit"
    assert aws_names.outbox_table("millrace-dev") == "millrace-dev-outbox"


def test_a_topic_bears_the_name_that_the_catalog_gives_it() -> None:
    assert aws_names.topic("millrace-dev", Event(UserSignedUp, public=Topic("MyTopic"))) == "MyTopic"
    assert aws_names.topic("millrace-dev", Event(UserSignedUp, forwarded=Topic())) == "millrace-dev-user--signed_up"


def test_an_arn_names_service_region_account_and_resource() -> None:
    found = aws_names.arn("sns", "us-east-1", "123456789012", "MyTopic")
    assert found == "arn:aws:sns:us-east-1:123456789012:MyTopic"
