#!/bin/sh
# A private PostgreSQL: own folder, own socket, no port, gone when its standard input is closed, however that comes about.
# Says one line: "ready <connection string>", or "missing <what to install>".
#
#     serve.sh             durable as in earnest
#     serve.sh forgetful   quicker: nothing is forced to disk. For tests that ask what is written, and not whether it lasts
set -eu
durability="-c fsync=on -c synchronous_commit=on"
if [ "${1-}" = forgetful ]; then durability="-c fsync=off -c full_page_writes=off"; fi

# KESSAI_POSTGRES_BIN says where initdb is, if it is in none of the usual folders.
bin=
set -- "$(dirname "$(command -v initdb || echo /nowhere/initdb)")" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
    /opt/homebrew/opt/postgresql@*/bin
if [ -n "${KESSAI_POSTGRES_BIN-}" ]; then set -- "$KESSAI_POSTGRES_BIN"; fi
for folder in "$@"; do
    # The last one is the newest.
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then bin=$folder; fi
done
if [ -z "$bin" ]; then
    echo "missing PostgreSQL: install its server, on Debian with apt-get install postgresql"
    exit 0
fi

# The name of a socket may not be long, and folders for temporary files sometimes are.
folder=$(mktemp -d /tmp/kessai-pg.XXXXXX)
server=
stop() {
    trap - EXIT
    if [ -n "$server" ]; then
        kill -INT "$server" 2>/dev/null || true
        wait "$server" || true
    fi
    rm -rf "$folder"
}
trap stop EXIT
# Ctrl-C reaches everything on the terminal, this script too; it waits for the end of its input all the same.
trap '' INT
trap 'exit 1' TERM HUP

# The server refuses to run as root, which tests in a container often are.
as=
if [ "$(id -u)" -eq 0 ]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    chown "$user" "$folder"
    as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
fi
cd "$folder"
if ! $as "$bin/initdb" -D "$folder/data" -U shop -E UTF8 --locale=C --auth=trust >"$folder/initdb.log" 2>&1; then
    cat "$folder/initdb.log" >&2
    exit 1
fi
# shellcheck disable=SC2086
$as "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c max_connections=300 -c logging_collector=off \
    -c deadlock_timeout=200ms $durability >"$folder/server.log" 2>&1 </dev/null &
server=$!
tries=0
until [ -S "$folder/.s.PGSQL.5432" ] && "$bin/pg_isready" -q -h "$folder"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
        cat "$folder/server.log" >&2
        exit 1
    fi
    sleep 0.1
done
echo "ready host=$folder user=shop dbname=postgres"
# Until whoever started this is gone.
while read -r _; do :; done
