"""Who makes things at AWS: an explicit provider, so that nothing is made by whatever credentials are around."""

import pulumi_aws as aws

from infra.aws.settings import AwsSettings

#: Every service that the program uses, as the provider calls them; sts says which account the credentials are of.
SERVICES = ("cloudwatch", "dynamodb", "iam", "kms", "lambda_", "logs", "sns", "sqs", "sts")


def provider(settings: AwsSettings) -> aws.Provider:
    """The provider of the one account; all services at the endpoint where one is set."""
    if not settings.endpoint:
        return aws.Provider("aws", region=settings.region, allowed_account_ids=[settings.account])
    at = aws.ProviderEndpointArgs(**dict.fromkeys(SERVICES, settings.endpoint))
    return aws.Provider(
        "aws",
        region=settings.region,
        # Asked for at the endpoint's sts; LocalStack takes an access key of 12 digits as the account.
        allowed_account_ids=[settings.account],
        access_key=settings.account,
        secret_key="test",  # noqa: S106 - LocalStack looks at the access key only
        endpoints=[at],
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_region_validation=True,
    )
