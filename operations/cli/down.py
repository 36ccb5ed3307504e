"""`millrace down`: stop the local stack."""

import click


@click.command("down")
def command() -> None:
    """Stop everything that `up` started; workers finish what runs, data stays under .local/."""
    from operations.local.stack import down  # noqa: PLC0415 (--help stays quick)

    down(click.echo)
