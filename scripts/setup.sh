#!/usr/bin/env bash
# Installs missing tools for building (`build`) or for building and testing (`test`).
#
# Looks for commands, not packages, because tools may come from anywhere. Installs missing ones with
# apt-get if it runs as root or sudo needs no password. Otherwise prints the command and fails.
set -euo pipefail

readonly OLDEST_NODE=18
servers="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/servers"
readonly servers
readonly purpose="${1:-build}"

case "$purpose" in
    build | test) ;;
    *)
        echo "usage: scripts/setup.sh [build|test]" >&2
        exit 64
        ;;
esac

have() { command -v "$1" >/dev/null 2>&1; }

# A compiler without the C library's headers exists but cannot build anything.
c_compiler_works() {
    have cc && printf '#include <stdio.h>\nint main(void) { return 0; }\n' | cc -x c -o /dev/null - >/dev/null 2>&1
}

node_is_new_enough() {
    have node && [ "$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -ge "$OLDEST_NODE" ]
}

# Whether the available nodejs package includes npm. Debian has two packages; packages of others
# often include npm and conflict with Debian's. (Not `grep -q`: its early exit breaks the pipe of
# apt-cache, which pipefail reports.)
node_brings_npm() {
    ! have node && have apt-cache && apt-cache show --no-all-versions nodejs 2>/dev/null |
        grep -E '^(Provides|Conflicts):.*\<npm\>' >/dev/null
}

# Debian has a separate package for the part that installs pip into a new environment.
python_makes_environments() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

# Debian packages for the missing tools, one per line.
missing_packages() {
    have make || echo make
    have cmake || echo cmake
    c_compiler_works || printf '%s\n' gcc g++ libc6-dev
    have node || echo nodejs
    have npm || node_brings_npm || echo npm
    if [ "$purpose" = test ]; then
        have chromium || echo chromium
        { have opusinfo && have opusdec; } || echo opus-tools
        { have ffmpeg && have ffprobe; } || echo ffmpeg
        have sox || echo sox
        python_makes_environments || printf '%s\n' python3 python3-venv
    fi
}

# Debian packages for the servers and agents of the tests. Without them those tests are ignored.
server_packages() {
    "$servers/java.sh" >/dev/null || echo openjdk-17-jre-headless
    have mvn || echo maven
    python3 -m pip --version >/dev/null 2>&1 || printf '%s\n' python3 python3-pip
    # Debian has a separate package for the part of `venv` that installs pip.
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    have prometheus || echo prometheus
    { have collectd || [ -x /usr/sbin/collectd ]; } || echo collectd-core
    # Debian only suggests the libraries of collectd's plugin write_http.
    local library
    for library in libyajl2:libyajl.so.2 libcurl3-gnutls:libcurl-gnutls.so.4; do
        /sbin/ldconfig -p | grep -q "${library#*:}" || echo "${library%%:*}"
    done
}

# Prints the prefix that runs a command as root without a prompt. Fails if there is none.
root_prefix() {
    if [ "$(id -u)" -eq 0 ]; then
        return 0
    elif have sudo && sudo -n true 2>/dev/null; then
        echo sudo
    else
        return 1
    fi
}

install_packages() {
    local prefix
    if ! have apt-get; then
        {
            echo "Missing: $*"
            echo "These are Debian's names. Install them with this system's package manager, then run this again."
        } >&2
        exit 1
    fi
    if ! prefix="$(root_prefix)"; then
        {
            echo "Missing: $*"
            echo "Install them with this command, then run this again:"
            echo "    sudo apt-get update && sudo apt-get install --no-install-recommends $*"
        } >&2
        exit 1
    fi
    echo "Installing Debian packages with ${prefix:+$prefix }apt-get: $*"
    local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    [ -z "$prefix" ] || apt=("$prefix" "${apt[@]}")
    "${apt[@]}" update
    "${apt[@]}" install --yes --no-install-recommends "$@" >/dev/null
}

if ! have cargo; then
    echo "Rust is missing. Install it from https://rustup.rs, open a new shell, then run this again." >&2
    exit 1
fi

mapfile -t packages < <(missing_packages)
if [ "${#packages[@]}" -gt 0 ]; then
    install_packages "${packages[@]}"
    hash -r
    mapfile -t packages < <(missing_packages)
fi
if [ "${#packages[@]}" -gt 0 ]; then
    echo "Still missing after the installation: ${packages[*]}. Install their packages, then run this again." >&2
    exit 1
fi
if ! node_is_new_enough; then
    echo "Node $(node --version 2>/dev/null || echo '(unknown)') is too old: the dashboard needs Node $OLDEST_NODE or newer." >&2
    exit 1
fi
if [ "$purpose" = test ] && ! "$servers/../python.sh" >/dev/null; then
    exit 1
fi
if [ "$purpose" = test ]; then
    mapfile -t packages < <(server_packages)
    # In a subshell, because a failure here affects only some tests.
    if [ "${#packages[@]}" -gt 0 ] && ! (install_packages "${packages[@]}"); then
        echo "Without ${packages[*]} the tests against real servers are ignored." >&2
        [ -z "${CI:-}" ] || exit 1
    fi
fi
