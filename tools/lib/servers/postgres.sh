# postgres.sh: PostgreSQL 15, as Debian packages it. fsync stays on: what is measured is what is kept.
# shellcheck shell=bash

# Not the first in PATH: a developer's machine may have another version there.
POSTGRES_BIN=${POSTGRES_BIN:-/usr/lib/postgresql/15/bin}

postgres_needs() { [ -x "$POSTGRES_BIN/postgres" ] || echo "postgresql ($POSTGRES_BIN/postgres)"; }

postgres_choose() {
    add_setting postgres port "$(free_port)"
    add_setting postgres password "$(random_word)"
    add_setting postgres admin_password "$(random_word)"
}

postgres_create() {
    local dir=$DIR/postgres
    setting postgres admin_password >"$dir/pwfile"
    give_to "$(run_user postgres)" "$dir/pwfile"
    as_user "$(run_user postgres)" "$POSTGRES_BIN/initdb" -D "$dir/data" -U postgres --pwfile="$dir/pwfile" \
        -A scram-sha-256 -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions >>"$dir/log" 2>&1 || return 1
    rm -f "$dir/pwfile"
}

postgres_configure() {
    local dir=$DIR/postgres
    {
        cat <<CONF
listen_addresses = '127.0.0.1'
port = $(setting postgres port)
unix_socket_directories = '$dir/run'
max_connections = 200
shared_buffers = 128MB
max_wal_size = 2GB
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m %u@%d %a '
CONF
        if has_tls; then
            cat <<CONF
ssl = on
ssl_ca_file = '$DIR/tls/ca.pem'
ssl_cert_file = '$dir/run/server.pem'
ssl_key_file = '$dir/run/server.key'
CONF
        fi
        extra_lines postgres
    } >"$dir/conf"
    { # members of tls_only prove that a test went over TLS: they can't come in otherwise
        if has_tls; then echo "hostssl all +tls_only 127.0.0.1/32 scram-sha-256"; fi
        echo "host all +tls_only 0.0.0.0/0 reject"
        echo "host all all 127.0.0.1/32 scram-sha-256"
        echo "host replication all 127.0.0.1/32 scram-sha-256"
        echo "local all all scram-sha-256"
    } >"$dir/hba"
    give_to "$(run_user postgres)" "$dir/conf" "$dir/hba"
}

postgres_launch() {
    local dir=$DIR/postgres
    # It was seen to be dead, but where nobody collects orphans a killed server still has a process
    # entry, and its lock files would be believed.
    rm -f "$dir/data/postmaster.pid" "$dir"/run/.s.PGSQL.*
    launch postgres "$POSTGRES_BIN/postgres" -D "$dir/data" -c config_file="$dir/conf" -c hba_file="$dir/hba"
}

postgres_admin() { # psql's arguments
    PGPASSWORD=$(setting postgres admin_password) PGCONNECT_TIMEOUT=5 "$POSTGRES_BIN/psql" -X -q -At \
        -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$(setting postgres port)" -U postgres -d postgres "$@"
}

postgres_ready() { postgres_admin -c 'SELECT 1'; }

postgres_setup() {
    local password
    password=$(setting postgres password)
    postgres_admin <<SQL
CREATE ROLE app LOGIN PASSWORD '$password';
CREATE ROLE tls_only;
CREATE ROLE app_tls LOGIN PASSWORD '$password' IN ROLE app, tls_only;
CREATE DATABASE app OWNER app;
SQL
}

postgres_stop_signal() { echo INT; } # fast shutdown: sessions are cut, nothing is lost

postgres_env() {
    local port password admin_password
    port=$(setting postgres port) password=$(setting postgres password)
    admin_password=$(setting postgres admin_password)
    cat <<ENV
host 127.0.0.1
port $port
user app
password $password
database app
socket $DIR/postgres/run
url postgresql://app:$password@127.0.0.1:$port/app
admin_user postgres
admin_password $admin_password
admin_url postgresql://postgres:$admin_password@127.0.0.1:$port/postgres
psql $POSTGRES_BIN/psql
ENV
    if has_tls; then
        echo "tls_user app_tls"
        echo "tls_url postgresql://app_tls:$password@127.0.0.1:$port/app?sslmode=verify-full&sslrootcert=$DIR/tls/ca.pem"
    fi
}
