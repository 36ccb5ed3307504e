"""The business functions: one module per group, named for it. No Celery and no AMQP in here."""
