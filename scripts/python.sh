#!/usr/bin/env bash
# Prints the path of a Python with the packages that the tests need (tests/requirements.txt).
# Creates its virtual environment in the cache of test tools if it is missing. On failure prints the
# reason.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly wanted=tests/requirements.txt
readonly cache="${EARCON_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/earcon}"

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "The tests of the Python client need Python 3.11 or newer." >&2
    exit 1
fi
# Other requirements or another Python need another environment.
key="$({ cat "$wanted"; python3 -c 'import sys; print(sys.version, sys.prefix)'; } | sha256sum | cut -c 1-16)"
readonly environment="$cache/python-$key"
if [ ! -e "$environment/complete" ]; then
    mkdir -p "$cache"
    # Created in another directory and then moved, so that an interrupted or concurrent run never
    # leaves a partial environment.
    making="$(mktemp -d "$cache/python-making.XXXXXX")"
    trap 'rm -rf "$making"' EXIT
    if ! python3 -m venv "$making" >&2; then
        echo "Python cannot make a virtual environment. On Debian: apt-get install python3-venv" >&2
        exit 1
    fi
    "$making/bin/python" -m pip --quiet --disable-pip-version-check install --requirement "$wanted" >&2
    touch "$making/complete"
    # It may be moved, because none of its scripts with an absolute path is used.
    rm -rf "$environment"
    mv -T "$making" "$environment" 2>/dev/null || [ -e "$environment/complete" ]
fi
echo "$environment/bin/python"
