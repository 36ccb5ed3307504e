"""The kinds of SNS: topics and subscriptions."""

from typing import Any

from infra.offline_engine.aws.clients import Clients, or_none
from infra.offline_engine.aws.kind import AwsKind, parsed
from infra.offline_engine.live import Key, Record
from infra.offline_engine.resources import Inputs


class TopicKind(AwsKind):
    """aws.sns.Topic."""

    word = "SNS topic"
    accepts = frozenset({"name", "kmsMasterKeyId", "policy"})

    def key(self, inputs: Inputs) -> Key:
        return (inputs["name"],)

    def wanted(self, inputs: Inputs) -> Record:
        return {"KmsMasterKeyId": inputs["kmsMasterKeyId"], "Policy": parsed(inputs["policy"])}

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        answer: dict[str, Any] | None = or_none(
            aws("sns").get_topic_attributes, TopicArn=aws.arn("sns", inputs["name"])
        )
        if answer is None:
            return None
        found = answer["Attributes"]
        return {"KmsMasterKeyId": found.get("KmsMasterKeyId"), "Policy": parsed(found.get("Policy"))}

    def write(self, inputs: Inputs, aws: Clients) -> None:
        arn = aws("sns").create_topic(Name=inputs["name"])["TopicArn"]
        for name, value in (("KmsMasterKeyId", inputs["kmsMasterKeyId"]), ("Policy", inputs["policy"])):
            aws("sns").set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        or_none(aws("sns").delete_topic, TopicArn=aws.arn("sns", inputs["name"]))


class SubscriptionKind(AwsKind):
    """aws.sns.TopicSubscription."""

    word = "subscription"
    accepts = frozenset({"topic", "protocol", "endpoint", "redrivePolicy"})

    def key(self, inputs: Inputs) -> Key:
        return inputs["topic"], inputs["protocol"], inputs["endpoint"]

    def wanted(self, inputs: Inputs) -> Record:
        return {"RedrivePolicy": parsed(inputs["redrivePolicy"]), "RawMessageDelivery": "false"}

    def actual(self, inputs: Inputs, aws: Clients) -> Record | None:
        arn = self._arn(inputs, aws)
        answer = or_none(aws("sns").get_subscription_attributes, SubscriptionArn=arn) if arn else None
        if answer is None:
            return None
        found = answer["Attributes"]
        raw = found.get("RawMessageDelivery", "false")
        return {"RedrivePolicy": parsed(found.get("RedrivePolicy")), "RawMessageDelivery": raw}

    def write(self, inputs: Inputs, aws: Clients) -> None:
        attributes = {"RedrivePolicy": inputs["redrivePolicy"], "RawMessageDelivery": "false"}
        arn = self._arn(inputs, aws)
        if arn is None:
            ends = {"TopicArn": inputs["topic"], "Protocol": inputs["protocol"], "Endpoint": inputs["endpoint"]}
            if inputs["protocol"] != "sqs":
                del attributes["RawMessageDelivery"]  # SNS has none for others
            aws("sns").subscribe(**ends, Attributes=attributes)
            return
        for name, value in attributes.items():
            aws("sns").set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)

    def remove(self, inputs: Inputs, aws: Clients) -> None:
        arn = self._arn(inputs, aws)
        if arn:
            or_none(aws("sns").unsubscribe, SubscriptionArn=arn)

    def _arn(self, inputs: Inputs, aws: Clients) -> str | None:
        """SNS names a subscription by a random ARN: it is found by its ends."""
        sns, page = aws("sns"), {"TopicArn": inputs["topic"]}
        while True:
            answer: dict[str, Any] = or_none(sns.list_subscriptions_by_topic, **page) or {"Subscriptions": []}
            for one in answer["Subscriptions"]:
                if (one["Protocol"], one["Endpoint"]) == (inputs["protocol"], inputs["endpoint"]):
                    return str(one["SubscriptionArn"])
            if not answer.get("NextToken"):
                return None
            page = {"TopicArn": inputs["topic"], "NextToken": answer["NextToken"]}
