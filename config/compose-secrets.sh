#!/bin/bash
# Makes the passwords compose.yaml needs: secrets/ for files, .env for the environment. Leaves what is there alone.
set -euo pipefail
cd "$(dirname "$0")"
umask 077

# Begins with a letter: nats-server takes a variable that begins with a digit for a number.
random() { printf 'p%s' "$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')"; }

mkdir -p secrets
if [ ! -s secrets/proxy-password ]; then
    # Without a line end, which some readers take for a part of the password.
    printf '%s' "$(random)" >secrets/proxy-password
fi
if [ ! -s secrets/proxy-users ]; then
    hash="$({ cat secrets/proxy-password; echo; } | docker run --rm -i caddy:2 caddy hash-password)"
    printf 'earcon %s\n' "$hash" >secrets/proxy-users
fi
# Containers read them as users of their own; on this machine nobody else gets past the directory.
chmod 0700 secrets
chmod 0644 secrets/proxy-password secrets/proxy-users
if [ ! -e .env ]; then
    for name in EARCON_NATS_PASSWORD NATS_OPERATOR_PASSWORD NATS_SHOP_PASSWORD NATS_ROUTE_PASSWORD; do
        printf '%s=%s\n' "$name" "$(random)"
    done >.env
fi
echo "The name is earcon, the password is in $(pwd)/secrets/proxy-password"
