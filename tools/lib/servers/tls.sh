# tls.sh: a throw-away authority for one set of servers. $DIR/tls: ca.pem, client.pem, client.key for
# clients; server.pem, server.key are copied to each server under its own user.
# shellcheck shell=bash

tls_sign() { # NAME SUBJECT EXTENSIONS
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" \
        -keyout "$DIR/tls/$1.key" -out "$DIR/tls/$1.csr"
    openssl x509 -req -in "$DIR/tls/$1.csr" -CA "$DIR/tls/ca.pem" -CAkey "$DIR/tls/ca.key" -days 30 \
        -set_serial "0x$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n')" \
        -extfile <(printf '%s\n' "$3") -out "$DIR/tls/$1.pem"
    rm -f "$DIR/tls/$1.csr"
}

make_tls() {
    ! has_tls || return 0
    mkdir -p "$DIR/tls.new"
    chmod 711 "$DIR/tls.new"
    mv "$DIR/tls.new" "$DIR/tls"
    {
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
            -subj "/CN=haul throw-away authority" -keyout "$DIR/tls/ca.key" -out "$DIR/tls/ca.new"
        mv "$DIR/tls/ca.new" "$DIR/tls/ca.pem"
        tls_sign server /CN=localhost "$(printf '%s\n' "subjectAltName=DNS:localhost,IP:127.0.0.1" \
            "extendedKeyUsage=serverAuth")"
        tls_sign client /CN=app "extendedKeyUsage=clientAuth"
    } 2>"$DIR/tls/log" || { cat "$DIR/tls/log" >&2; rm -f "$DIR/tls/ca.pem"; die "openssl failed"; }
    chmod 644 "$DIR"/tls/*.pem
    rm -f "$DIR/tls/log"
}

# Each server reads the key as its own user, so each has its copy.
give_tls() { # NAME
    local run=$DIR/$1/run
    has_tls || return 0
    cp "$DIR/tls/server.pem" "$DIR/tls/server.key" "$run/"
    chmod 600 "$run/server.key"
    give_to "$(run_user "$1")" "$run/server.pem" "$run/server.key"
}
