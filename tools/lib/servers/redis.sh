# redis.sh: Redis 7.0, as Debian packages it; nothing on disk: what Haul keeps there may be lost.
# shellcheck shell=bash

redis_needs() { command -v redis-server redis-cli >/dev/null || echo "redis-server"; }

redis_choose() {
    add_setting redis port "$(free_port)"
    add_setting redis tls_port "$(free_port)"
    add_setting redis password "$(random_word)"
    add_setting redis admin_password "$(random_word)"
}

redis_create() { mkdir -p "$DIR/redis/data" && give_to "$(run_user redis)" "$DIR/redis/data"; }

redis_configure() {
    local dir=$DIR/redis
    {
        cat <<CONF
bind 127.0.0.1
port $(setting redis port)
dir $dir/data
unixsocket $dir/run/sock
unixsocketperm 777
save ""
appendonly no
user default on >$(setting redis admin_password) ~* &* +@all
user app on >$(setting redis password) ~* &* +@all -@admin
CONF
        if has_tls; then
            cat <<CONF
tls-port $(setting redis tls_port)
tls-ca-cert-file $DIR/tls/ca.pem
tls-cert-file $dir/run/server.pem
tls-key-file $dir/run/server.key
tls-auth-clients no
CONF
        fi
        extra_lines redis
    } >"$dir/conf"
    give_to "$(run_user redis)" "$dir/conf"
}

redis_launch() { launch redis redis-server "$DIR/redis/conf" --daemonize no; }

redis_ready() {
    [ "$(REDISCLI_AUTH=$(setting redis admin_password) redis-cli -h 127.0.0.1 -p "$(setting redis port)" \
        PING)" = PONG ]
}

redis_setup() { :; }

redis_stop_signal() { echo TERM; }

redis_env() {
    local port password
    port=$(setting redis port) password=$(setting redis password)
    cat <<ENV
host 127.0.0.1
port $port
user app
password $password
socket $DIR/redis/run/sock
url redis://app:$password@127.0.0.1:$port/0
admin_user default
admin_password $(setting redis admin_password)
ENV
    if has_tls; then
        echo "tls_port $(setting redis tls_port)"
        echo "tls_url rediss://app:$password@127.0.0.1:$(setting redis tls_port)/0"
    fi
}
