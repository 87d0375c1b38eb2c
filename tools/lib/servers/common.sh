# common.sh: ports, settings, processes and waiting, for tools/servers and its server files.
#
# A server NAME lives in $DIR/NAME: settings (ports, passwords), conf, data/, run/ (sockets), log, pid.
# shellcheck shell=bash

die() { echo "servers: $*" >&2; exit 1; }

random_word() { head -c 15 /dev/urandom | base64 -w0 | tr -dc a-zA-Z0-9; }

# --- ports ---------------------------------------------------------------------------------------

port_is_used() { # PORT
    grep -qs ":$(printf %04X "$1") " <(awk '{print $2" "}' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
}

# Below the ephemeral range, so that no outgoing connection takes it while its server is down.
free_port() {
    local port
    while :; do
        port=$((15000 + (RANDOM * 32768 + RANDOM) % 16000))
        port_is_used "$port" || { echo "$port"; return; }
    done
}

# --- settings ------------------------------------------------------------------------------------

# setting NAME KEY: the value on standard output; empty when there is none.
setting() { sed -n "s/^$2=//p" "$DIR/$1/settings" 2>/dev/null; }

add_setting() { # NAME KEY VALUE, replacing an older one
    local file=$DIR/$1/settings
    { grep -v "^$2=" "$file" 2>/dev/null || true; echo "$2=$3"; } >"$file.new"
    mv "$file.new" "$file"
}

# Lines of the user's own for the server's configuration: --set NAME.KEY=VALUE.
extra_lines() { cat "$DIR/$1/extra" 2>/dev/null || true; }

has_tls() { [ -e "$DIR/tls/ca.pem" ]; }

# --- users ---------------------------------------------------------------------------------------

# The user a server runs as: its own when we are root (two of them refuse root), else ourselves.
run_user() { # NAME
    local user=${SERVER_USER[$1]:-}
    if [ "$(id -u)" = 0 ] && [ -n "$user" ]; then echo "$user"; else id -un; fi
}

as_user() { # USER COMMAND...
    local user=$1
    shift
    if [ "$user" = "$(id -un)" ]; then "$@"; else
        setpriv --reuid="$user" --regid="$(id -gn "$user")" --init-groups -- "$@"
    fi
}

give_to() { # USER PATH...
    if [ "$1" != "$(id -un)" ]; then chown "$1:$(id -gn "$1")" "${@:2}"; fi
}

# --- processes -----------------------------------------------------------------------------------

# process_field PID N: field N after the command's name in /proc/PID/stat (1 state, 2 parent, 20 start).
# Nothing when it is gone. No program is run: children_of asks for every process of the machine.
process_field() {
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    read -ra fields <<<"${stat##*) }"
    echo "${fields[$2 - 1]:-}"
}

is_alive() { # PID START
    local state
    state=$(process_field "$1" 1)
    [ -n "$state" ] && [ "$state" != Z ] && [ "$(process_field "$1" 20)" = "$2" ]
}

# server_pid NAME: its process, if it is the one that was started here (and not a later one's number).
server_pid() {
    local pid start
    read -r pid start 2>/dev/null <"$DIR/$1/pid" || return 1
    is_alive "$pid" "$start" && echo "$pid"
}

children_of() { # PID
    local stat
    for stat in /proc/[0-9]*/stat; do
        stat=${stat%/stat}
        [ "$(process_field "${stat#/proc/}" 2)" != "$1" ] || echo "${stat#/proc/}"
    done
}

# A daemon must not keep the caller's pipes and locks open.
close_descriptors() {
    local path fd
    for path in /proc/"$BASHPID"/fd/*; do
        fd=${path##*/}
        if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi
    done 2>/dev/null
}

# launch NAME COMMAND...: in the background, in a session of its own, its output in the log.
launch() {
    local name=$1 user
    shift
    user=$(run_user "$name")
    local privileges=()
    if [ "$user" != "$(id -un)" ]; then
        privileges=(setpriv --reuid="$user" --regid="$(id -gn "$user")" --init-groups --)
    fi
    (
        cd /
        close_descriptors
        exec setsid "${privileges[@]}" "$@" </dev/null >>"$DIR/$name/log" 2>&1
    ) &
    echo "$! $(process_field $! 20)" >"$DIR/$name/pid"
}

wait_until_gone() { # NAME TENTHS
    local i
    for ((i = 0; i < $2; i++)); do
        server_pid "$1" >/dev/null || return 0
        sleep 0.1
    done
    return 1
}

wait_until_dead() { # TENTHS PID...
    local i pid state
    for pid in "${@:2}"; do
        for ((i = 0; i < $1; i++)); do
            state=$(process_field "$pid" 1)
            if [ -z "$state" ] || [ "$state" = Z ]; then continue 2; fi
            sleep 0.1
        done
        return 1
    done
}

# wait_until_ready NAME: 0 it answers, 1 it ended, 2 time is up.
wait_until_ready() {
    local deadline=$((SECONDS + ${SERVERS_TIMEOUT_S:-90}))
    while [ $SECONDS -lt $deadline ]; do
        if "$1_ready" >/dev/null 2>&1; then return 0; fi
        server_pid "$1" >/dev/null || return 1
        sleep 0.1
    done
    return 2
}
