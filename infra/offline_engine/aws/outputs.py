"""What the program uses of resources at AWS that only AWS could say."""

from collections.abc import Mapping

from millrace import aws_names

KEY = "aws:kms/key:Key"


def computed(type_: str, name: str, config: Mapping[str, str]) -> dict[str, str]:
    """A key's ARN: that of its alias, whose name its resource bears; all other ARNs are plain text in the program."""
    if type_ != KEY:
        return {}
    return {"arn": aws_names.arn("kms", config["awsRegion"], config["awsAccount"], name)}
