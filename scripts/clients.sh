#!/usr/bin/env bash
# Tests each client against a real server and the conformance suite, and the server against its
# OpenAPI and AsyncAPI descriptions. `check` only checks types.
#
# usage: clients.sh [test|check]      (EARCON_BIN names the server; `make test` sets it)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly what="${1:-test}"
if ! python="$(scripts/python.sh)"; then
    [ "$what" = check ] && [ -z "${CI:-}" ] || exit 1
    echo "The Python client's types were NOT checked."
    exit
fi
readonly python

stage() { printf -- '--- %s (%s s)\n' "$1" "$SECONDS"; }

if [ "$what" = check ]; then
    stage "types of the Python client and the suites"
    (cd clients/python && "$python" -m mypy --no-error-summary --cache-dir "${TMPDIR:-/tmp}/earcon-mypy" src conformance tests)
    (cd tests/conformance && "$python" -m mypy --no-error-summary --strict --cache-dir "${TMPDIR:-/tmp}/earcon-mypy" conformance)
    exit
fi
export PYTHONDONTWRITEBYTECODE=1
stage "TypeScript client against a server"
(cd clients/typescript && npm run --silent integration)
stage "Python client"
(cd clients/python && "$python" -m pytest --quiet)
stage "conformance suite against itself"
(cd tests/conformance && "$python" selftest.py)
stage "conformance of the TypeScript client"
(cd tests/conformance && "$python" -m conformance -- node ../../clients/typescript/conformance/adapter.mjs)
stage "conformance of the Python client"
(cd tests/conformance && PYTHONPATH=../../clients/python/src "$python" -m conformance -- "$python" ../../clients/python/conformance/adapter.py)
if [ -e clients/rust/examples/conformance.rs ]; then
    stage "conformance of the Rust client"
    "${CARGO:-cargo}" build --locked --quiet --package earcon-client --example conformance
    readonly adapter="${CARGO_TARGET_DIR:-$PWD/target}/debug/examples/conformance"
    (cd tests/conformance && "$python" -m conformance -- "$adapter")
fi
stage "OpenAPI"
"$python" tests/openapi/run.py
stage "done"
