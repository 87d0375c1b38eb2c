# mariadb.sh: MariaDB 10.11, as Debian packages it; small, durable, without the binary log.
# shellcheck shell=bash

mariadb_needs() { command -v mariadbd mariadb-install-db mariadb >/dev/null || echo "mariadb-server"; }

mariadb_choose() {
    add_setting mariadb port "$(free_port)"
    add_setting mariadb password "$(random_word)"
    add_setting mariadb admin_password "$(random_word)"
}

mariadb_create() {
    # A starting server deletes every #sql file of its tmpdir: in /tmp it would be another one's.
    as_user "$(run_user mariadb)" env TMPDIR="$DIR/mariadb/run" mariadb-install-db --no-defaults --datadir="$DIR/mariadb/data" \
        --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve \
        >>"$DIR/mariadb/log" 2>&1
}

mariadb_configure() {
    local dir=$DIR/mariadb
    {
        cat <<CONF
[mariadbd]
datadir = $dir/data
socket = $dir/run/sock
pid_file = $dir/run/pid
tmpdir = $dir/run
bind_address = 127.0.0.1
port = $(setting mariadb port)
skip_name_resolve
character_set_server = utf8mb4
collation_server = utf8mb4_general_ci
local_infile = OFF
skip_log_bin
performance_schema = OFF
max_connections = 200
max_allowed_packet = 64M
innodb_buffer_pool_size = 128M
innodb_log_file_size = 64M
aria_pagecache_buffer_size = 8M
key_buffer_size = 1M
CONF
        if has_tls; then
            cat <<CONF
ssl_ca = $DIR/tls/ca.pem
ssl_cert = $dir/run/server.pem
ssl_key = $dir/run/server.key
CONF
        fi
        extra_lines mariadb
    } >"$dir/conf"
    give_to "$(run_user mariadb)" "$dir/conf"
}

mariadb_launch() { launch mariadb mariadbd --defaults-file="$DIR/mariadb/conf"; }

mariadb_admin() { # mariadb's arguments
    MYSQL_PWD=$(setting mariadb admin_password) mariadb --no-defaults --connect-timeout=5 \
        -h 127.0.0.1 -P "$(setting mariadb port)" -u admin "$@"
}

# Before its set-up there is only root on the socket, without a password.
mariadb_ready() {
    if [ -e "$DIR/mariadb/is_set_up" ]; then mariadb_admin -e 'SELECT 1'; else
        mariadb --no-defaults -S "$DIR/mariadb/run/sock" -u root -e 'SELECT 1'
    fi
}

mariadb_setup() {
    local password admin_password
    password=$(setting mariadb password) admin_password=$(setting mariadb admin_password)
    mariadb --no-defaults -S "$DIR/mariadb/run/sock" -u root <<SQL
CREATE USER admin@'%' IDENTIFIED BY '$admin_password';
GRANT ALL PRIVILEGES ON *.* TO admin@'%' WITH GRANT OPTION;
CREATE DATABASE app;
CREATE USER app@'%' IDENTIFIED BY '$password';
CREATE USER app_tls@'%' IDENTIFIED BY '$password' REQUIRE SSL;
GRANT ALL PRIVILEGES ON \`app\`.* TO app@'%', app_tls@'%';
GRANT ALL PRIVILEGES ON \`app\\_%\`.* TO app@'%', app_tls@'%';
DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');
FLUSH PRIVILEGES;
ALTER USER root@localhost IDENTIFIED BY '$admin_password';
SQL
}

mariadb_stop_signal() { echo TERM; }

mariadb_env() {
    local port password
    port=$(setting mariadb port) password=$(setting mariadb password)
    cat <<ENV
host 127.0.0.1
port $port
user app
password $password
database app
socket $DIR/mariadb/run/sock
url mysql://app:$password@127.0.0.1:$port/app
admin_user admin
admin_password $(setting mariadb admin_password)
ENV
    if has_tls; then echo "tls_user app_tls"; fi
}
