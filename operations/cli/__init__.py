"""The command `millrace`: each command is imported when it is called, so that the quick ones start quickly."""

import importlib
import sys
from typing import Any

import click

#: Exit codes that scripts can rely on; 1 also means "something was found" (alerts, differences).
FAILED, INVALID, NOT_RUNNING = 1, 2, 3

COMMANDS = {
    "up": "operations.cli.up",
    "down": "operations.cli.down",
    "status": "operations.cli.status",
    "scale": "operations.cli.scale",
    "publish": "operations.cli.publish",
    "why": "operations.cli.why",
    "dead-letters": "operations.cli.dead_letters",
    "parked": "operations.cli.parked",
    "rejected": "operations.cli.rejected",
    "alerts": "operations.cli.alerts",
    "reconcile": "operations.cli.reconcile",
    "logs": "operations.cli.logs",
    "verify": "operations.cli.verify",
    "catalog": "operations.cli.catalog",
    "preview": "operations.cli.preview",
    "package": "operations.cli.package",
    "faults": "operations.cli.faults",
}
SUMMARIES = {
    "up": "Bring up broker, topology, workers and Flower on this machine.",
    "down": "Stop everything that `up` started.",
    "status": "What waits where, who works, what needs a look.",
    "scale": "How many workers each group has; set a number by hand, or leave it to the formula again.",
    "publish": "Publish one event, or one per line from standard input.",
    "why": "What became of an event, group by group.",
    "dead-letters": "Events that could not be handled: list, show, replay, discard.",
    "parked": "Events that no group takes yet: list, release.",
    "rejected": "What was refused at a door: list, show, discard.",
    "alerts": "What needs a person now, and what to do; exit code 1 if anything does.",
    "reconcile": "Compare what was accepted with what became of it; exit code 1 and what does not add up.",
    "logs": "The log of a group's worker or of another process.",
    "verify": "Compare the broker with the catalog; exit code 1 and the differences.",
    "catalog": "The events, groups and services of the catalog.",
    "preview": "What `up` of a stack (Pulumi.NAME.yaml) would make; needs no server.",
    "package": "Build the zips that functions in AWS Lambda are deployed as.",
    "faults": "Break a scratch stack in every way and count what was lost or doubled.",
}


class LazyGroup(click.Group):
    """Finds its commands by module name and turns expected errors into a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All commands, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module; its attribute `command` is the command."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The overview, without importing every command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an expected error ends it with one message on stderr."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from operations.cli.failures import explained  # noqa: PLC0415 (imports what can fail)

            message, code = explained(error)
            if message is None:
                raise
            click.echo(f"millrace: {message}", err=True)
            ctx.exit(code)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """The event backbone of this repository: run it, publish, ask what became of events, repair.

    Exit codes: 0 all well; 1 failed or something was found; 2 wrong input; 3 nothing is running.
    """


def main() -> None:
    """The entry point of `millrace`."""
    try:
        cli(prog_name="millrace")
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(FAILED)
