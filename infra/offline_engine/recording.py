"""Runs the Pulumi program in process and writes down what it declares; nothing is applied here."""

import asyncio
import gc
import secrets
import string
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import mocks, set_all_config, set_mocks
from pulumi.runtime.proto.resource_pb2 import RegisterResourceRequest, RegisterResourceResponse
from pulumi.runtime.settings import SETTINGS, get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func

from infra.offline_engine.aws.outputs import computed
from infra.offline_engine.resources import Resource

PROJECT = "millrace"
RANDOM_PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a type's name
PROVIDERS = "pulumi:providers:"
#: How Pulumi marks a secret on the wire.
SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105 - public constant of Pulumi's protocol
#: The settings that are secret.
SECRETS = ("password", "functionDatabaseUrl", "kubeconfig", "databaseUrl", "smtpUrl")

Program = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What one run of the program declared, in dependency order, and what it exported."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]


def record(
    program: Program, *, stack: str, config: Mapping[str, str], known: Mapping[str, str], preview: bool = False
) -> Recording:
    """Run the program; `known` has the passwords made before, by name. Raises what the program raises."""
    monitor = Monitor(_Declared(known, config))
    outputs = run(program, monitor, stack=stack, config=config, preview=preview)
    return Recording(resources=tuple(monitor.recorded), outputs=outputs)


def run(
    program: Program, monitor: "Monitor", *, stack: str, config: Mapping[str, str], preview: bool = False
) -> Mapping[str, Any]:
    """Run the program against a monitor; its outputs, secrets in the clear. Raises what the program raises.

    A thread of its own gives each run a fresh Pulumi context and a fresh event loop.
    """
    with _uncollected(), ThreadPoolExecutor(max_workers=1, thread_name_prefix="pulumi") as executor:
        return executor.submit(_run, program, monitor, stack, config, preview).result()


def _run(
    program: Program, monitor: "Monitor", stack: str, config: Mapping[str, str], preview: bool
) -> Mapping[str, Any]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        full = {f"{PROJECT}:{key}": value for key, value in config.items()}
        set_all_config(full, secret_keys=[f"{PROJECT}:{key}" for key in SECRETS])
        # A program that failed leaves its open calls behind, of a loop that is closed by now.
        SETTINGS.rpc_manager.clear()
        SETTINGS.outputs.clear()
        set_mocks(monitor.mocks, project=PROJECT, stack=stack, preview=preview, monitor=monitor)
        loop.run_until_complete(run_pulumi_func(program))
        root = get_root_resource()
        return loop.run_until_complete(_resolve(root.outputs if isinstance(root, Stack) else {}))
    finally:
        _cancel_all(loop)
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()
        monitor.close()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hardly anything that a program makes is garbage before its end: to look for it took 40 % of 200 groups' time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """End what a failed program left waiting; dropped with the loop, it would fail whenever it is collected.

    What it left failed is not told of then, either: the program's failure has been raised.
    """
    loop.set_exception_handler(lambda _loop, _context: None)
    open_tasks = asyncio.all_tasks(loop)
    for task in open_tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*open_tasks, return_exceptions=True))


async def _resolve(exported: Mapping[str, Any]) -> Mapping[str, Any]:
    return await pulumi.Output.from_input(dict(exported)).future() or {}


class _Declared(mocks.Mocks):
    """Answers each declaration with its own inputs and what a program may use of others: a password, a key's ARN."""

    def __init__(self, known: Mapping[str, str], config: Mapping[str, str]) -> None:
        self._known = known
        self._config = config

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise NotImplementedError(f"the offline engine answers no provider functions, got {args.token}")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        state = {key: _revealed(value) for key, value in args.inputs.items()}
        if args.typ == RANDOM_PASSWORD:
            state["result"] = self._known.get(args.name) or _password(int(args.inputs["length"]))
        return args.name, state | computed(args.typ, args.name, self._config)


class Monitor(mocks.MockMonitor):
    """Keeps, besides, the dependencies of every resource, which the mock interface does not pass on."""

    def __init__(self, answers: mocks.Mocks) -> None:
        super().__init__(answers)
        self.recorded: list[Resource] = []
        self._loops: list[asyncio.AbstractEventLoop] = []
        self._here = threading.local()

    def RegisterResource(self, request: RegisterResourceRequest) -> RegisterResourceResponse:
        self._have_loop()
        response: RegisterResourceResponse = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.custom and not request.type.startswith(PROVIDERS):
            made = Resource(
                urn=response.urn,
                type=request.type,
                name=request.name,
                inputs={key: _storable(value) for key, value in self.resources[response.urn].state.items()},
                dependencies=tuple(request.dependencies),
            )
            self.recorded.append(made)
        return response

    def close(self) -> None:
        """Close the event loops of the threads that served the program, which Pulumi would leave open."""
        for loop in self._loops:
            loop.close()

    def _have_loop(self) -> None:
        if not hasattr(self._here, "loop"):
            self._here.loop = asyncio.new_event_loop()
            self._loops.append(self._here.loop)
            asyncio.set_event_loop(self._here.loop)


def _revealed(value: object) -> object:
    if isinstance(value, Mapping):
        if SECRET_MARK in value:
            return _revealed(value["value"])
        return {key: _revealed(inner) for key, inner in value.items()}
    return [_revealed(inner) for inner in value] if isinstance(value, list) else value


def _storable(value: object) -> object:
    """What the state can keep, which is JSON; a function's code is kept by its path."""
    return {"path": value.path} if isinstance(value, pulumi.FileArchive) else value


def _password(length: int) -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(length))
