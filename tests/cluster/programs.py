"""What the control plane is made of, and where it lies once it is built: outside the tree, by version."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).with_name("modules")
ETCD, APISERVER, KUBECTL, KWOK = "etcd", "kube-apiserver", "kubectl", "kwok"
CONTROLLERS, SCHEDULER = "kube-controller-manager", "kube-scheduler"
KEDA_OPERATOR, KEDA_ADAPTER = "keda-operator", "keda-adapter"


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A text in a program's main.go that is built otherwise than its authors wrote it; the file lies in a module."""

    program: str
    module: str
    file: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Module:
    """A go.mod of ours, the programs that are built by it, and the variables that tell them their version."""

    name: str
    #: What we call a program, and the package it is made of.
    programs: Mapping[str, str]
    #: The module whose version they tell, and the variables; {version}, {major} and {minor} are filled in.
    versioned: str
    variables: tuple[str, ...]
    #: Folders of modules that go along: what we call it, and the module and the folder in it.
    data: Mapping[str, tuple[str, str]]
    corrections: tuple[Correction, ...] = ()

    @property
    def folder(self) -> Path:
        """Where its go.mod and go.sum lie."""
        return MODULES / self.name

    def version(self) -> str:
        """The version that go.mod pins, without v."""
        text = (self.folder / "go.mod").read_text(encoding="utf-8")
        found = re.search(rf"^\s*(?:require )?{re.escape(self.versioned)} v(\S+)$", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.folder / 'go.mod'} must require {self.versioned}, got no such line")
        return found[1]

    def go_version(self) -> tuple[int, ...]:
        """The Go that go.mod asks for."""
        text = (self.folder / "go.mod").read_text(encoding="utf-8")
        found = re.search(r"^go ([\d.]+)$", text, re.MULTILINE)
        return tuple(int(part) for part in found[1].split(".")) if found else ()

    def linker_flags(self) -> str:
        """Without symbols, and with the version."""
        version = self.version()
        major, minor, *_ = version.split(".")
        filled = (one.format(version=version, major=major, minor=minor) for one in self.variables)
        return " ".join(["-s -w", *(f"-X {one}" for one in filled)])


_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
_VERSION_VARIABLES = ("gitVersion=v{version}", "gitMajor={major}", "gitMinor={minor}")
KUBE = Module(
    name="kube",
    programs={
        ETCD: "go.etcd.io/etcd/server/v3",
        **{one: f"k8s.io/kubernetes/cmd/{one}" for one in (APISERVER, CONTROLLERS, SCHEDULER, KUBECTL)},
        KWOK: "sigs.k8s.io/kwok/cmd/kwok",
    },
    versioned="k8s.io/kubernetes",
    variables=tuple(f"{package}.{variable}" for package in _VERSION_PACKAGES for variable in _VERSION_VARIABLES),
    data={"stages": ("sigs.k8s.io/kwok", "kustomize/stage")},
)
# A module of its own: it does not compile against the Kubernetes above.
KEDA = Module(
    name="keda",
    programs={
        KEDA_OPERATOR: "github.com/kedacore/keda/v2/cmd/operator",
        KEDA_ADAPTER: "github.com/kedacore/keda/v2/cmd/adapter",
    },
    versioned="github.com/kedacore/keda/v2",
    variables=("github.com/kedacore/keda/v2/version.Version={version}",),
    data={"crds": ("github.com/kedacore/keda/v2", "config/crd/bases")},
    # The adapter's numbers would be there for the whole network, and no setting says otherwise.
    corrections=(
        Correction(
            program=KEDA_ADAPTER,
            module="github.com/kedacore/keda/v2",
            file="cmd/adapter/main.go",
            old='Sprintf(":%v", metricsAPIServerPort)',
            new='Sprintf("127.0.0.1:%v", metricsAPIServerPort)',
        ),
    ),
)


@dataclass(frozen=True)
class Programs:
    """One version of all of it, in a folder that is whole or not there."""

    folder: Path

    def program(self, name: str) -> Path:
        """The executable."""
        return self.folder / "bin" / name

    def data(self, name: str) -> Path:
        """A folder that came along."""
        return self.folder / name

    @property
    def is_built(self) -> bool:
        """Whether it is there."""
        return self.folder.is_dir()


def cached(modules: tuple[Module, ...] = (KUBE, KEDA), environment: Mapping[str, str] = os.environ) -> Programs:
    """Where the programs of these modules are, or will be."""
    given = environment.get("XDG_CACHE_HOME")
    cache = Path(given) if given else Path.home() / ".cache"
    return Programs(cache / "millrace" / "cluster" / digest(modules))


def digest(modules: tuple[Module, ...]) -> str:
    """Differs where what is built would differ."""
    parts = []
    for module in modules:
        parts += [repr(module), module.linker_flags()]
        parts += [(module.folder / name).read_text(encoding="utf-8") for name in ("go.mod", "go.sum")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
