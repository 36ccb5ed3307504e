"""The programs of the control plane are built once, whole or not at all, and by a Go that can."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import building, programs
from tests.cluster.__main__ import NOT_THERE
from tests.cluster.building import NotBuilt, build
from tests.cluster.programs import KEDA, KUBE, Correction, Module, cached, digest

#: What the tests' own go does: it has one module with a folder, and breaks off for a package that is called so.
GO = """#!/bin/sh
case "$1 $2" in
"env GOVERSION") echo "{version}";;
"mod download") ;;
"list -m") echo "$MODULE";;
"build -trimpath")
    for argument; do case "$previous" in -o) output="$argument";; esac; previous="$argument"; done
    case "$argument" in *broken) echo "no such package" >&2; exit 1;; esac
    [ -d "$argument" ] && cat "$argument/main.go" > "$output" || echo "$argument $CGO_ENABLED" > "$output";;
esac
"""
ONE = Module(
    name="keda",
    programs={"first": "example.org/first", "second": "example.org/second"},
    versioned="github.com/kedacore/keda/v2",
    variables=("example.Version={version}",),
    data={"crds": ("example.org", "bases")},
    corrections=(Correction(program="second", module="example.org", file="main.go", old="everywhere", new="here"),),
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine with a go of the test, and an empty cache."""
    module = tmp_path / "module"
    (module / "bases").mkdir(parents=True)
    (module / "bases" / "one.yaml").write_text("kind: CustomResourceDefinition")
    (module / "bases" / "one.yaml").chmod(0o444)
    (module / "bases").chmod(0o555)
    (module / "main.go").write_text("listen everywhere")
    _put_go(tmp_path, "go1.99.1")
    path = f"{tmp_path / 'go'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache"), "MODULE": str(module)}


def _put_go(tmp_path: Path, version: str) -> None:
    go = tmp_path / "go" / "go"
    go.parent.mkdir(exist_ok=True)
    go.write_text(GO.format(version=version))
    go.chmod(0o755)


def test_it_is_built_whole_and_the_second_time_it_is_there(environment: dict[str, str]) -> None:
    said: list[str] = []
    made = build((ONE,), say=said.append, environment=environment)
    assert made.program("first").read_text() == "example.org/first 0\n"
    assert made.program("second").read_text() == "listen here"
    assert made.data("crds").joinpath("one.yaml").read_text() == "kind: CustomResourceDefinition"
    assert [line.split(" in ")[0] for line in said[:4]] == [
        "building first",
        "built first",
        "building second",
        "built second",
    ]
    said.clear()
    assert build((ONE,), say=said.append, environment=environment | {"PATH": ""}) == made
    assert said == [f"the control plane is there: {made.folder}"]
    assert [path.name for path in made.folder.parent.iterdir()] == [made.folder.name]


def test_a_build_that_broke_off_leaves_nothing(environment: dict[str, str]) -> None:
    broken = replace(ONE, programs={"first": "example.org/first", "last": "example.org/broken"}, corrections=())
    with pytest.raises(NotBuilt, match=r"must build example\.org/broken, got:\nno such package"):
        build((broken,), say=lambda _line: None, environment=environment)
    folder = cached((broken,), environment).folder
    assert not cached((broken,), environment).is_built
    assert list(folder.parent.iterdir()) == []


def test_a_correction_that_finds_nothing_is_told(environment: dict[str, str]) -> None:
    Path(environment["MODULE"], "main.go").write_text("listen nowhere")
    with pytest.raises(NotBuilt, match=r"main\.go must have 'everywhere' once, got it 0 times"):
        build((ONE,), say=lambda _line: None, environment=environment)


def test_a_program_that_takes_long_is_spoken_of(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(building, "SILENCE_SECONDS", 0.05)
    go = tmp_path / "go" / "go"
    go.write_text(go.read_text().replace('"build -trimpath")', '"build -trimpath") sleep 0.5;'))
    said: list[str] = []
    build((ONE,), say=said.append, environment=environment)
    assert any(line.startswith("  … still first, ") for line in said)


def test_without_go_it_says_what_to_install(environment: dict[str, str]) -> None:
    with pytest.raises(NotBuilt, match=r"Go 1\.26\.0 or newer, got no go on PATH: install it from https://go\.dev/dl"):
        build((ONE,), say=lambda _line: None, environment=environment | {"PATH": ""})


def test_an_older_go_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    _put_go(tmp_path, "go1.25.9")
    with pytest.raises(NotBuilt, match=r"Go 1\.26\.0 or newer, got go1\.25\.9 at "):
        build((ONE,), say=lambda _line: None, environment=environment)


def test_the_cache_differs_with_whatever_makes_the_programs_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {digest((KUBE, KEDA)), digest((KUBE,)), digest((replace(KEDA, variables=()),)), digest((KEDA,))}
    assert len(before) == 4
    for name in ("go.mod", "go.sum"):
        (tmp_path / "keda").mkdir(exist_ok=True)
        (tmp_path / "keda" / name).write_text((KEDA.folder / name).read_text() + "\n")
    monkeypatch.setattr(programs, "MODULES", tmp_path)
    assert digest((KEDA,)) not in before


def test_the_programs_tell_the_version_that_is_pinned() -> None:
    assert KUBE.version() == "1.36.4"
    assert "-X k8s.io/client-go/pkg/version.gitMinor=36" in KUBE.linker_flags()
    assert KEDA.go_version() == (1, 26, 0)
    with pytest.raises(ValueError, match=r"must require example\.org, got no such line"):
        replace(KEDA, versioned="example.org").version()


def test_whether_it_is_built_is_an_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.cluster", "--is-built"]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    assert subprocess.run(command, env=environment, check=False).returncode == NOT_THERE
    cached(environment=environment).folder.mkdir(parents=True)
    assert subprocess.run(command, env=environment, check=False).returncode == 0
