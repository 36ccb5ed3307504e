"""What `up` of a stack would make, read from its file; compared with the servers that answer, else with the state."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pulumi
from millrace.declarations import Catalog

from infra.__main__ import declare
from infra.offline_engine import state as stored
from infra.offline_engine.asking import AskedPlace
from infra.offline_engine.aws import clients
from infra.offline_engine.aws.place import AwsPlace
from infra.offline_engine.aws.target import AwsTarget
from infra.offline_engine.errors import AwsProblem, EngineError, KubernetesProblem, ServerProblem
from infra.offline_engine.guarding import require_within_rules
from infra.offline_engine.kind import Standing
from infra.offline_engine.kinds import identity, require_known
from infra.offline_engine.kubernetes import api as kubernetes_api
from infra.offline_engine.kubernetes.place import KubernetesPlace
from infra.offline_engine.kubernetes.target import KubernetesTarget
from infra.offline_engine.live import read_live
from infra.offline_engine.management import Management
from infra.offline_engine.planning import Plan, Step, left_over, plan
from infra.offline_engine.project import as_text, defaults, of_stack
from infra.offline_engine.recording import SECRETS, record
from infra.offline_engine.resources import Resource
from infra.offline_engine.sides import Where, at, made_at
from infra.offline_engine.state import State
from infra.settings import Settings

#: Stands for a secret that cannot be read here; each fits what the program asks of it.
PLACEHOLDERS = dict.fromkeys(SECRETS, "placeholder") | {
    "databaseUrl": "postgresql+psycopg://placeholder@placeholder/placeholder",
    "functionDatabaseUrl": "postgresql://placeholder@placeholder/placeholder",
    "smtpUrl": "smtp://placeholder",
}
#: People wait: a server that does not answer within this is said not to.
PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """What would be done at one server; `problem` is why it was not compared with that, but with the state."""

    where: Where
    work: Plan
    compared_with: str = "the server"
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All that would be done; `placeholders` are the secrets that were not there to be read."""

    parts: tuple[Part, ...]
    placeholders: tuple[str, ...]


def survey(
    stack: str,
    *,
    state_dir: Path,
    catalog: Catalog,
    root: Path,
    more: Mapping[str, str],
    environment: Mapping[str, str] = os.environ,
) -> Survey:
    """Read the stack's file in `root`, run the program and compare; touches nothing. `more` overrides settings.

    Raises EngineError for a wrong file or setting, and what the program refuses.
    """
    config, missing = settings_of(stack, root, more)
    before = stored.load(stack, state_dir) or State()
    try:
        recording = record(
            lambda: declare(catalog, Settings.load()),
            stack=stack,
            config=config,
            known=before.passwords(),
            preview=True,
        )
    except (pulumi.ConfigMissingError, pulumi.ConfigTypeError) as error:
        raise EngineError(f"Pulumi.{stack}.yaml: {error}") from None
    require_known(recording.resources)
    require_within_rules(recording.resources)
    with ExitStack() as open_places:
        seeing = _Seeing(stack, config, missing, environment, open_places)
        parts = tuple(seeing.part(where, recording.resources, before) for where in Where)
    return Survey(parts=tuple(one for one in parts if one.work.steps or one.work.removals), placeholders=missing)


def settings_of(stack: str, root: Path, more: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """A stack's settings, and the names of those that placeholders stand for; raises EngineError."""
    known, own = defaults(root), of_stack(stack, root)
    plain = {name: as_text(value) for name, value in own.items() if not isinstance(value, Mapping)}
    config = known | plain | dict(more)
    unread = {name for name, value in own.items() if isinstance(value, Mapping)} - more.keys()
    missing = {name for name in SECRETS if not config.get(name)} | unread
    strange = missing - PLACEHOLDERS.keys()
    if strange:
        raise EngineError(
            f"Pulumi.{stack}.yaml: only {', '.join(SECRETS)} may be secret, got {', '.join(sorted(strange))}"
        )
    return config | {name: PLACEHOLDERS[name] for name in missing}, tuple(sorted(missing & _used(config)))


def _used(config: Mapping[str, str]) -> set[str]:
    """The secrets that such a stack has a use for."""
    on_kubernetes = {"kubeconfig", "databaseUrl", "smtpUrl"} if config["kubernetes"] == "true" else set()
    return {"password", *on_kubernetes} | ({"functionDatabaseUrl"} if config["aws"] == "true" else set())


@dataclass(frozen=True)
class _Seeing:
    """Looks at one server after the other."""

    stack: str
    config: Mapping[str, str]
    missing: tuple[str, ...]
    environment: Mapping[str, str]
    places: ExitStack

    def part(self, where: Where, declared: tuple[Resource, ...], before: State) -> Part:
        mine, made = at(where, declared), made_at(where, before)
        if not mine and not made.resources:
            return Part(where=where, work=Plan(steps=(), removals=()))
        try:
            if where is Where.BROKER:
                return Part(where=where, work=self._at_broker(mine, made))
            place = self._aws() if where is Where.AWS else self._kubernetes(before)
            return Part(where=where, work=place.plan(mine, made))
        except ServerProblem as problem:
            known = "the state of the last `up`" if made.resources else "nothing: no `up` was run here"
            return Part(where=where, work=by_state(mine, made), compared_with=known, problem=str(problem))

    def _at_broker(self, mine: tuple[Resource, ...], made: State) -> Plan:
        if "password" in self.missing:
            raise ServerProblem("the setting password is a secret that cannot be read here")
        login = self.config["username"], self.config["password"]
        with Management(self.config["endpoint"], *login, patience=PATIENCE_SECONDS) as api:
            return plan(mine, made, read_live(api))

    def _aws(self) -> AskedPlace:
        endpoint = self.config["awsEndpoint"]
        if not endpoint:
            raise AwsProblem("this engine only looks at a stand-in for AWS, and awsEndpoint names none")
        target = AwsTarget(endpoint=endpoint, region=self.config["awsRegion"], account=self.config["awsAccount"])
        return AwsPlace(self.places.enter_context(clients.connected(target, patience=PATIENCE_SECONDS)))

    def _kubernetes(self, before: State) -> AskedPlace:
        target = KubernetesTarget(kubeconfig=self._kubeconfig(), context=self.config["kubeContext"])
        answering = kubernetes_api.connected(target, self.stack, patience=PATIENCE_SECONDS)
        place = KubernetesPlace(self.places.enter_context(answering))
        if before.kubernetes not in {"", place.uid}:
            raise KubernetesProblem("the state is of another cluster than the one whose context is named")
        return place

    def _kubeconfig(self) -> Path:
        if "kubeconfig" not in self.missing:
            return self.places.enter_context(kubeconfig_file(self.config["kubeconfig"]))
        return Path(self.environment.get("KUBECONFIG") or Path.home() / ".kube" / "config")


@contextmanager
def kubeconfig_file(setting: str) -> Iterator[Path]:
    """The file that the setting names, or one that only its owner reads with the text that it is.

    Raises KubernetesProblem, which does not quote it: it may be secret.
    """
    if "\n" in setting or setting.lstrip().startswith("{"):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="millrace-") as file:  # made with mode 0600
            file.write(setting)
            file.flush()
            yield Path(file.name)
    elif os.path.isfile(setting):  # noqa: PTH113 (Path's own raises for a name that is too long)
        yield Path(setting)
    else:
        raise KubernetesProblem("kubeconfig must be the text of one, or the path of a file that is there, got neither")


def by_state(declared: tuple[Resource, ...], made: State) -> Plan:
    """What would be done if the server had just what the state has."""
    there = {identity(one): one for one in made.resources}

    def standing(one: Resource) -> Standing:
        found = there.get(identity(one))
        if found is None:
            return Standing.ABSENT
        return Standing.RIGHT if found.inputs == one.inputs else Standing.WRONG

    steps = tuple(Step(resource=one, standing=standing(one)) for one in declared)
    return Plan(steps=steps, removals=left_over(declared, made))
