#!/bin/sh
# Resolves pyproject.toml into run.txt, dev.txt and bench.txt, and LocalStack's pins, with hashes; needs uv on PATH.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "uv must be on PATH, got none: pip install uv" >&2; exit 69; }
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --annotation-style=line \
        --no-annotate --no-emit-package millrace "$@"
}
compile pyproject.toml requirements/build.in -o requirements/run.txt
compile pyproject.toml requirements/build.in --group dev -c requirements/run.txt -o requirements/dev.txt
# The peers come with what Millrace has too (Celery, psycopg) in the same versions, and without Millrace.
compile --group bench -c requirements/run.txt --override requirements/bench.override -o requirements/bench.txt
compile localstack/requirements.in -o localstack/requirements.txt
