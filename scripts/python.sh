#!/usr/bin/env bash
# Prints the path of a Python that has what the tests need (tests/requirements.txt), in a virtual environment that is made
# in the cache of test tools when it is not there yet. Fails with the reason when there can be none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly wanted=tests/requirements.txt
readonly cache="${EARCON_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/earcon}"

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "The tests of the Python client need Python 3.11 or newer." >&2
    exit 1
fi
# Other requirements, or another Python, are another environment.
key="$({ cat "$wanted"; python3 -c 'import sys; print(sys.version, sys.prefix)'; } | sha256sum | cut -c 1-16)"
readonly environment="$cache/python-$key"
if [ ! -e "$environment/complete" ]; then
    mkdir -p "$cache"
    # Made aside and moved into place, so that one that broke off is never taken for whole, nor two at once.
    making="$(mktemp -d "$cache/python-making.XXXXXX")"
    trap 'rm -rf "$making"' EXIT
    if ! python3 -m venv "$making" >&2; then
        echo "Python cannot make a virtual environment. On Debian: apt-get install python3-venv" >&2
        exit 1
    fi
    "$making/bin/python" -m pip --quiet --disable-pip-version-check install --requirement "$wanted" >&2
    touch "$making/complete"
    # Nothing in it is run by a script whose first line names its place, so it may be moved.
    rm -rf "$environment"
    mv -T "$making" "$environment" 2>/dev/null || [ -e "$environment/complete" ]
fi
echo "$environment/bin/python"
