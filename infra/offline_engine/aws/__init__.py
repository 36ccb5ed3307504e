"""The offline engine's side at AWS: LocalStack, by boto3."""
