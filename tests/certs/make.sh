#!/bin/sh
# Makes the certificates of this folder anew. The authorities' keys are thrown away; the servers' key is worth nothing.
set -eu
work=$(mktemp -d)
touch "$work/index"
echo 'unique_subject = no' > "$work/index.attr"
echo 1000 > "$work/serial"
cat > "$work/ca.conf" <<CONF
[ca]
default_ca = only
[only]
database = $work/index
new_certs_dir = $work
serial = $work/serial
default_md = sha256
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:false
extendedKeyUsage = serverAuth
subjectAltName = \${ENV::SAN}
[client]
basicConstraints = critical, CA:false
extendedKeyUsage = clientAuth
subjectAltName = \${ENV::SAN}
CONF
export SAN=DNS:localhost

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
sign() { # what, section, last day, further options; a later first day in FROM
    what=$1 section=$2 until=$3
    shift 3
    openssl ca -batch -notext -config "$work/ca.conf" -extensions "$section" \
        -startdate "${FROM:-20200101000000Z}" -enddate "$until" -in "$work/$what.csr" -out "$what.pem" "$@"
}
authority() {
    key "$work/$1.key"
    openssl req -new -config "$work/ca.conf" -key "$work/$1.key" -subj "/CN=kessai tests $1" -out "$work/$1.csr"
    sign "$1" authority 21251231235959Z -selfsign -keyfile "$work/$1.key"
}
request() { # what, names
    export SAN=$2
    openssl req -new -config "$work/ca.conf" -key server.key -subj "/CN=kessai tests $1" -out "$work/$1.csr"
}
server() { # what, names, last day
    request "$1" "$2"
    sign "$1" server "$3" -cert root.pem -keyfile "$work/root.key"
}

authority root
authority stranger
key server.key
server server DNS:localhost,IP:127.0.0.1 21251231235959Z
server other_name DNS:gateway.example,DNS:*.localhost 21251231235959Z
server expired DNS:localhost,IP:127.0.0.1 20210101000000Z
FROM=21240101000000Z
server early DNS:localhost,IP:127.0.0.1 21251231235959Z
FROM=
request client_only DNS:localhost,IP:127.0.0.1
sign client_only client 21251231235959Z -cert root.pem -keyfile "$work/root.key"
request self_signed DNS:localhost,IP:127.0.0.1
sign self_signed server 21251231235959Z -selfsign -keyfile server.key
rm -r "$work"
