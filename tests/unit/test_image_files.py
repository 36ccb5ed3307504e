"""What is in the image, and how the Dockerfile asks for what it is made of."""

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from operations.local.layout import REPOSITORY
from tests.image_files import Ignored, Image, NotUnderstood, assemble, instructions

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
DIGEST = "python:3.11-slim-bookworm@sha256:" + "0123456789abcdef" * 4


def said(word: str) -> list[str]:
    return [rest for found, rest in instructions(DOCKERFILE) if found == word]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image's files; the environment is not looked at."""
    return assemble(REPOSITORY, tmp_path_factory.mktemp("image"), {"/opt/venv": Path(sys.prefix)})


def tracked(*places: str) -> set[str]:
    """The repository's own files at these places; a clone may hold what git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *places]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (REPOSITORY / name).exists()}


def test_it_holds_workers_and_shared_whole_and_nothing_else_but_flower(image: Image) -> None:
    files = set(image.files())
    assert {file.split("/")[0] for file in files} == {"app"}
    ours = {file.removeprefix("app/") for file in files}
    shared = {file.removeprefix("shared/") for file in tracked("shared/millrace")}
    assert {file for file in ours if not file.startswith("operations/")} == tracked("workers") | shared


def test_no_more_is_sent_to_the_builder_than_it_copies(image: Image) -> None:
    ignored = Ignored((REPOSITORY / ".dockerignore").read_text(encoding="utf-8"))
    sent = {file.removeprefix("shared/") for file in tracked(".") if not ignored.has(file)}
    assert sent == {file.removeprefix("app/") for file in image.files()} | {"requirements/image.txt"}


def test_of_operations_it_has_what_flower_imports(image: Image) -> None:
    code = "import operations.flower.__main__, operations.flower.server, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    needed = {name for name in run.stdout.split() if name.partition(".")[0] == "operations"}
    modules = {file.removeprefix("app/").removesuffix(".py").replace("/", ".") for file in image.files()}
    have = {name.removesuffix(".__init__") for name in modules if name.startswith("operations")}
    assert have == needed


def test_its_process_is_no_root_and_gets_signals(image: Image) -> None:
    assert image.user == "10001:10001"
    assert image.start == {"ENTRYPOINT": ["python", "-m"], "CMD": ["workers"]}
    assert said("STOPSIGNAL") == ["SIGTERM"]
    assert image.environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert image.environment["TMPDIR"] == "/tmp"  # noqa: S108 (where the deployment puts a volume)
    assert image.environment["PATH"].startswith("/opt/venv/bin:")


def test_it_is_based_on_what_the_builder_names_by_digest() -> None:
    assert [base.split()[0] for base in said("FROM")] == [
        "${BASE:?must_be_an_image_by_digest:_NAME@sha256:DIGEST}",
        "${BASE}",
    ]
    assert "BASE" in said("ARG")  # and no default
    assert not re.search(r"^\s*#\s*syntax", DOCKERFILE)  # nor a frontend by tag


@pytest.mark.parametrize(("base", "code"), [(DIGEST, 0), ("python:3.11", 64), ("python@sha256:12", 64), ("", 64)])
def test_a_base_by_tag_ends_the_build_with_what_to_do(base: str, code: int) -> None:
    check = said("RUN")[0]
    run = subprocess.run(
        ["sh", "-c", check], env={**os.environ, "BASE": base}, capture_output=True, text=True, check=False
    )
    assert run.returncode == code
    assert ("BASE must be an image by digest" in run.stderr) is bool(code)


def test_all_that_is_installed_has_its_hash() -> None:
    (install,) = [run for run in said("RUN") if "install" in run]
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install.split())
    pins = (REPOSITORY / "requirements" / "image.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert all("--hash=sha256:" in pin for pin in pins)
    names = {re.split(r"==", pin)[0] for pin in pins}
    assert {"celery", "flower", "psycopg", "boto3"} <= names
    assert not {"kubernetes", "localstack-client", "moto", "pulumi", "pytest"} & names


def pinned(file: str) -> set[str]:
    lines = (REPOSITORY / "requirements" / file).read_text(encoding="utf-8").splitlines()
    return {line.split(" ")[0] for line in lines if re.match(r"[a-z]", line)}


def imported(file: Path) -> set[str]:
    """What a module imports from elsewhere, wherever in it, by its first name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_all_that_it_imports_is_installed(image: Image) -> None:
    names = {name for file in image.root.rglob("*.py") for name in imported(file)}
    others = names - sys.stdlib_module_names - {"millrace", "operations", "workers"}
    distributions = packages_distributions()
    installed = {pin.partition("==")[0] for pin in pinned("image.txt")}
    assert {"celery", "sqlalchemy"} <= others
    assert (
        sorted(
            name for name in others if not installed & {one.lower().replace("_", "-") for one in distributions[name]}
        )
        == []
    )


def test_its_versions_are_those_that_are_tested() -> None:
    assert pinned("image.txt") <= pinned("run.txt")


def test_what_is_not_understood_is_not_assembled(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a AS b\nADD x /x\n", encoding="utf-8")
    (tmp_path / ".dockerignore").write_text("*\n", encoding="utf-8")
    with pytest.raises(NotUnderstood, match="ADD x /x"):
        assemble(tmp_path, tmp_path / "out", {})
