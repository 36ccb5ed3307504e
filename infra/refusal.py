"""The error of a program that refuses its settings."""

import pulumi
from millrace.errors import MillraceError


# The pulumi CLI shows a RunError's message, and any other exception's whole traceback.
class Refused(MillraceError, pulumi.RunError):
    """The settings would make the wrong things, or in the wrong place."""
