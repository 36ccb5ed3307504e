"""A group whose handler waits at a gate that the test opens."""
