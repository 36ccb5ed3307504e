"""Envelopes as each release published them: `python -m tests.corpus` writes those of the present release."""
