"""What the offline engine raises on purpose."""

from collections.abc import Mapping, Sequence

from millrace.errors import MillraceError

from infra.guardrails import Violation


class EngineError(MillraceError):
    """The root of the offline engine's errors."""


class UnknownResource(EngineError):
    """The program uses a resource type, or an input of one, that this engine does not know."""


class AgainstTheRules(EngineError):
    """The program declares what the guard rails forbid; `violations` has each with what to do."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        listed = "\n".join(f"  {one}" for one in self.violations)
        super().__init__(f"the stack is against the rules (infra/guardrails), nothing was touched:\n{listed}")


class ServerProblem(EngineError):
    """What a stack is applied to does not answer (then it has a cause), or refused a request."""


class BrokerProblem(ServerProblem):
    """RabbitMQ's management API does not answer, or refused a request."""


class AwsProblem(ServerProblem):
    """AWS does not answer, is of another account, or refused a request."""


class KubernetesProblem(ServerProblem):
    """Kubernetes does not answer, is another cluster than was named, or refused a request: `status` is HTTP's, or 0."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Busy(EngineError):
    """Another run holds the stack's lock."""


class NotApplied(EngineError):
    """The stack has no state: `up` was never run here."""


class ForeignStack(EngineError):
    """The vhost exists but was not made by this engine with this state, or the state is of another server."""


class QueueHoldsMessages(EngineError):
    """Queues, or tables, that would be deleted hold messages; `counts` has the number for each."""

    def __init__(self, counts: Mapping[str, int], what_to_do: str) -> None:
        self.counts = dict(counts)
        listed = ", ".join(f"{name!r} ({count} messages)" for name, count in sorted(self.counts.items()))
        super().__init__(f"queues that would be deleted hold messages: {listed}; {what_to_do}")


class NotAllApplied(EngineError):
    """Some resources could not be put right, the rest was; `problems` says which and why."""

    def __init__(self, problems: Mapping[str, str], skipped: int) -> None:
        self.problems = dict(problems)
        lines = [f"  {what}: {why}" for what, why in self.problems.items()]
        rest = f"\n  ({skipped} more depend on these and were left alone)" if skipped else ""
        super().__init__(f"{len(lines)} resources could not be put right:\n" + "\n".join(lines) + rest)
