#!/bin/sh
# Resolves pyproject.toml into run.txt, dev.txt, bench.txt, image.txt and what functions take along, and LocalStack's
# pins, with hashes; needs uv on PATH.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "uv must be on PATH, got none: pip install uv" >&2; exit 69; }
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --annotation-style=line \
        --no-annotate --no-emit-package millrace "$@"
}
compile pyproject.toml requirements/build.in -o requirements/run.txt
compile pyproject.toml requirements/build.in --group dev -c requirements/run.txt -o requirements/dev.txt
# The image has workers and Flower, in the versions of run.txt, and nothing that declares or tests.
compile --group image -c requirements/run.txt -o requirements/image.txt
# The peers come with what Millrace has too (Celery, psycopg) in the same versions, and without Millrace.
compile --group bench -c requirements/run.txt --override requirements/bench.override -o requirements/bench.txt
# What functions take along is for AWS's Linux and Python, in the versions that workers have.
for group in lambda lambda-database; do
    uv pip compile --quiet --python-version 3.12 --python-platform x86_64-manylinux_2_28 --only-binary :all: \
        --generate-hashes --no-header --annotation-style=line --no-annotate -c requirements/run.txt \
        --group "$group" -o "requirements/$group.txt"
done
compile localstack/requirements.in -o localstack/requirements.txt
