#!/bin/bash
# Generates the passwords for compose.yaml: files in secrets/ and variables in .env. Keeps existing
# ones.
set -euo pipefail
cd "$(dirname "$0")"
umask 077

# Begins with a letter: nats-server reads a variable that begins with a digit as a number.
random() { printf 'p%s' "$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')"; }

mkdir -p secrets
if [ ! -s secrets/proxy-password ]; then
    # Without a newline, which some readers take as part of the password.
    printf '%s' "$(random)" >secrets/proxy-password
fi
if [ ! -s secrets/proxy-users ]; then
    hash="$({ cat secrets/proxy-password; echo; } | docker run --rm -i caddy:2 caddy hash-password)"
    printf 'earcon %s\n' "$hash" >secrets/proxy-users
fi
# Containers read them as other users. On this machine only the owner can enter the directory.
chmod 0700 secrets
chmod 0644 secrets/proxy-password secrets/proxy-users
if [ ! -e .env ]; then
    for name in EARCON_NATS_PASSWORD NATS_OPERATOR_PASSWORD NATS_SHOP_PASSWORD NATS_ROUTE_PASSWORD; do
        printf '%s=%s\n' "$name" "$(random)"
    done >.env
fi
echo "The name is earcon, the password is in $(pwd)/secrets/proxy-password"
