"""The client that services use: publish confirmed events, or write them to an outbox in their own transaction."""

from millrace.publishing.publisher import Publisher

__all__ = ["Publisher"]
