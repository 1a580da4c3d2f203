#!/usr/bin/env bash
# Runs a command with a NATS server and a Cassandra node, and ends both afterwards.
#
# usage: run.sh COMMAND [ARGUMENT]…
# example: run.sh cargo test --test it cluster -- --include-ignored
# EARCON_TEST_NATS_URL (nats://…, with JetStream) and EARCON_TEST_CQL (host:port) name running
# servers to use instead. Without Java or the downloads, the command runs without the servers. With
# CI set, that is a failure.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly here
readonly cache="${EARCON_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/earcon}"
work="$(mktemp -d)"
readonly work
pids=()

cleanup() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# await NAME PORT PID SECONDS LOG: until the port answers or the process is gone.
await() {
    local deadline=$((SECONDS + $4))
    until answers "$2"; do
        if ! kill -0 "$3" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            echo "$1 did not start; the end of its log:" >&2
            tail -n 30 "$5" >&2
            return 1
        fi
        sleep 0.2
    done
}

if ! "$here/setup.sh"; then
    [ -z "${CI:-}" ] || exit 1
    echo "Not all servers can be started." >&2
fi

if [ -x "$cache/nats-server" ]; then
    # Tests that stop and restart a server start a private one with this.
    export EARCON_TEST_NATS_SERVER="$cache/nats-server"
    if [ -z "${EARCON_TEST_NATS_URL:-}" ]; then
        port="$(free_port)"
        "$cache/nats-server" --addr 127.0.0.1 --port "$port" --jetstream --store_dir "$work/nats" \
            >"$work/nats.log" 2>&1 &
        nats=$!
        pids+=("$nats")
        await nats-server "$port" "$nats" 20 "$work/nats.log"
        export EARCON_TEST_NATS_URL="nats://127.0.0.1:$port"
    fi
fi
if [ -d "$cache/cassandra" ] && "$here/java.sh" >/dev/null; then
    export EARCON_TEST_CASSANDRA="$here/cassandra.sh"
    if [ -z "${EARCON_TEST_CQL:-}" ]; then
        port="$(free_port)"
        "$here/cassandra.sh" "$work/cassandra" "$port" "$(free_port)" >"$work/cassandra.log" 2>&1 &
        cassandra=$!
        pids+=("$cassandra")
        await Cassandra "$port" "$cassandra" 120 "$work/cassandra.log"
        export EARCON_TEST_CQL="127.0.0.1:$port"
    fi
fi
"$@"
