#!/bin/bash
# Succeeds if the server in this container answers /healthz. The image has no curl, but bash can
# open a connection. The address comes from EARCON_SERVER__LISTEN, not from a configuration file.
set -eu
address="${EARCON_SERVER__LISTEN:-127.0.0.1:7070}"
host="${address%:*}"
host="${host#[}"
exec 3<>"/dev/tcp/${host%]}/${address##*:}"
printf 'GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
read -r -t 4 _ status _ <&3
[ "$status" = 200 ]
