"""The history of the tables, applied by `python -m workers.migrate`."""
