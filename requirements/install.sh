#!/bin/sh
# Makes .venv and installs requirements/run.txt or dev.txt into it: sh requirements/install.sh run|dev
# Or makes .venv-bench, for what Millrace is measured against, which the tests must not meet: ... bench
# Or .venv-localstack, for what stands in for AWS on this machine, whose pins fit nothing else: ... localstack
set -eu
cd "$(dirname "$0")/.."
kind=$1
file=requirements/$kind.txt
case $kind in
bench) venv=.venv-bench ;;
localstack) venv=.venv-localstack file=localstack/requirements.txt ;;
*) venv=.venv ;;
esac
began=$(date +%s)
say() { echo "$(($(date +%s) - began)) s  $*"; }

apt() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "$* must be on this machine, got none. Install it, then try again." >&2
        exit 69
    fi
    say "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" \
        >/dev/null 2>&1 || {
        apt-get update -q >/dev/null
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" \
            >/dev/null
    }
}

command -v python3 >/dev/null || apt python3 python3-venv
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "python3 must be 3.11 or newer, got $(python3 -V). Put a newer one first on PATH, then try again." >&2
    exit 69
}
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "making $venv"
    rm -rf "$venv"
    python3 -m venv "$venv" >/dev/null 2>&1 || { rm -rf "$venv"; apt python3-venv; python3 -m venv "$venv"; }
fi
say "installing $file into $venv"
pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@"; }
if [ "$venv" != .venv ]; then # --no-deps: the file is complete, and overrides what one of the peers asks for
    pip --require-hashes --no-deps -r "$file"
    touch "$venv/.$kind"
    say "$venv is ready"
    exit
fi
pip --require-hashes -r "$file"
pip --no-deps --no-build-isolation -e ./shared -e .
touch .venv/.run
[ "$kind" = run ] || touch .venv/.dev
say ".venv is ready"
