"""Functions, without AWS."""
