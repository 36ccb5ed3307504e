"""Runs the Pulumi program in process and writes down what it declares; nothing is applied here."""

import asyncio
import secrets
import string
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import mocks, set_all_config, set_mocks
from pulumi.runtime.proto.resource_pb2 import RegisterResourceRequest, RegisterResourceResponse
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func

from infra.offline_engine.resources import Resource

PROJECT = "millrace"
RANDOM_PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a type's name
PROVIDERS = "pulumi:providers:"
#: How Pulumi marks a secret on the wire.
SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105 - public constant of Pulumi's protocol


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What one run of the program declared, in dependency order, and what it exported."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]


def record(
    program: Callable[[], None],
    *,
    stack: str,
    config: Mapping[str, str],
    known: Mapping[str, str],
    preview: bool = False,
) -> Recording:
    """Run the program; `known` has the passwords made before, by the resource's name. Raises what the program raises.

    A thread of its own gives each run a fresh Pulumi context and a fresh event loop.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="pulumi") as executor:
        return executor.submit(_run, program, stack, config, known, preview).result()


def _run(
    program: Callable[[], None], stack: str, config: Mapping[str, str], known: Mapping[str, str], preview: bool
) -> Recording:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        monitor = _Monitor(_Declared(known))
        set_all_config(
            {f"{PROJECT}:{key}": value for key, value in config.items()}, secret_keys=[f"{PROJECT}:password"]
        )
        set_mocks(monitor.mocks, project=PROJECT, stack=stack, preview=preview, monitor=monitor)
        loop.run_until_complete(run_pulumi_func(program))
        root = get_root_resource()
        exported = loop.run_until_complete(_resolve(root.outputs if isinstance(root, Stack) else {}))
        return Recording(resources=tuple(monitor.recorded), outputs=exported)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


async def _resolve(exported: Mapping[str, Any]) -> Mapping[str, Any]:
    return await pulumi.Output.from_input(dict(exported)).future() or {}


class _Declared(mocks.Mocks):
    """Answers each declaration with its own inputs, and a password with one known or new."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise NotImplementedError(f"the offline engine answers no provider functions, got {args.token}")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        state = {key: _revealed(value) for key, value in args.inputs.items()}
        if args.typ == RANDOM_PASSWORD:
            state["result"] = self._known.get(args.name) or _password(int(args.inputs["length"]))
        return args.name, state


class _Monitor(mocks.MockMonitor):
    """Keeps, besides, the dependencies of every resource, which the mock interface does not pass on."""

    def __init__(self, declared: _Declared) -> None:
        super().__init__(declared)
        self.recorded: list[Resource] = []

    def RegisterResource(self, request: RegisterResourceRequest) -> RegisterResourceResponse:
        response: RegisterResourceResponse = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.custom and not request.type.startswith(PROVIDERS):
            made = Resource(
                urn=response.urn,
                type=request.type,
                name=request.name,
                inputs=self.resources[response.urn].state,
                dependencies=tuple(request.dependencies),
            )
            self.recorded.append(made)
        return response


def _revealed(value: object) -> object:
    if isinstance(value, Mapping):
        if SECRET_MARK in value:
            return _revealed(value["value"])
        return {key: _revealed(inner) for key, inner in value.items()}
    return [_revealed(inner) for inner in value] if isinstance(value, list) else value


def _password(length: int) -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(length))
