#!/usr/bin/env bash
# Installs the programs that loadtest compares Earcon with (Centrifugo and VictoriaMetrics from
# their Go modules, Icecast from the distribution), and agents that no distribution has in a new
# version: Prometheus 3 and vmagent, for scripts/agents. Keeps installed ones. Needs Go, and root or
# sudo for Icecast.
#
# usage: peers.sh [centrifugo|victoria-metrics|icecast2|prometheus|vmagent]…
# Without arguments: those of loadtest.
set -euo pipefail

readonly peers="${EARCON_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/earcon/peers}"
readonly CENTRIFUGO=v5.4.9
readonly VICTORIA_METRICS=v1.143.0
# Version 3.15.1: as a Go module, Prometheus counts its minor versions with three digits.
readonly PROMETHEUS=v0.315.1

have() { command -v "$1" >/dev/null 2>&1; }

# go_program NAME MODULE VERSION PACKAGE VARIABLE=TEXT: builds a program in the module's directory,
# with its own dependencies. (`go install PACKAGE@VERSION` also requests the list of all versions,
# which some proxies do not serve.)
go_program() {
    local name="$1" module="$2" version="$3" package="$4" stamp="$5" directory
    if [ -x "$peers/$name" ] && [ "$(cat "$peers/$name.version" 2>/dev/null)" = "$version" ]; then
        echo "$name $version is installed"
        return
    fi
    have go || { echo "$name: Go is needed to build it" >&2; return 1; }
    echo "Building $name $version"
    directory="$(GOFLAGS=-mod=mod go mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')"
    [ -d "$directory" ] || { echo "$name: $module@$version could not be downloaded" >&2; return 1; }
    mkdir -p "$peers"
    # Prometheus needs no service discovery here, which is most of its code. Others ignore the tag.
    (cd "$directory" && GOWORK=off GOFLAGS=-mod=mod go build -tags remove_all_sd -buildvcs=false \
        -ldflags "-s -w -X $stamp" -o "$peers/$name.partial" "$package")
    mv "$peers/$name.partial" "$peers/$name"
    echo "$version" >"$peers/$name.version"
}

icecast() {
    if have icecast2; then
        echo "icecast2 is installed"
        return
    fi
    local -a root=()
    if [ "$(id -u)" -ne 0 ]; then
        { have sudo && sudo -n true 2>/dev/null; } || { echo "icecast2: run sudo apt-get install icecast2" >&2; return 1; }
        root=(sudo)
    fi
    have apt-get || { echo "icecast2: install it with this system's package manager" >&2; return 1; }
    echo "Installing icecast2"
    # Runlevel 1 keeps the package from starting a server.
    local -a quiet=(env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    "${root[@]}" "${quiet[@]}" update
    "${root[@]}" "${quiet[@]}" install --yes --no-install-recommends icecast2 >/dev/null
}

[ "$#" -gt 0 ] || set -- centrifugo victoria-metrics icecast2
failed=0
for peer in "$@"; do
    case "$peer" in
        centrifugo)
            go_program centrifugo github.com/centrifugal/centrifugo/v5 "$CENTRIFUGO" . \
                "github.com/centrifugal/centrifugo/v5/internal/build.Version=${CENTRIFUGO#v}" || failed=1
            ;;
        victoria-metrics)
            go_program victoria-metrics github.com/VictoriaMetrics/VictoriaMetrics "$VICTORIA_METRICS" ./app/victoria-metrics \
                "github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version=victoria-metrics-$VICTORIA_METRICS" || failed=1
            ;;
        vmagent)
            go_program vmagent github.com/VictoriaMetrics/VictoriaMetrics "$VICTORIA_METRICS" ./app/vmagent \
                "github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version=vmagent-$VICTORIA_METRICS" || failed=1
            ;;
        prometheus)
            go_program prometheus github.com/prometheus/prometheus "$PROMETHEUS" ./cmd/prometheus \
                "github.com/prometheus/common/version.Version=$PROMETHEUS" || failed=1
            ;;
        icecast2) icecast || failed=1 ;;
        *)
            echo "usage: scripts/peers.sh [centrifugo|victoria-metrics|icecast2|prometheus|vmagent]…" >&2
            exit 64
            ;;
    esac
done
exit "$failed"
