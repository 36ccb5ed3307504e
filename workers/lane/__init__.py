"""The lane: short handlers run in the consumer's own process, in batches of what has arrived (docs/decisions/0501)."""
