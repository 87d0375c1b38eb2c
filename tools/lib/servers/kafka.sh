# kafka.sh: Apache Kafka 4.3.1, one broker in KRaft mode, from Maven Central's jars.
#
# The jars and a formatted empty log are made once, in $KAFKA_CACHE.
# shellcheck shell=bash

KAFKA_VERSION=4.3.1
KAFKA_CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/haul/kafka-$KAFKA_VERSION
KAFKA_POM=$SERVERS_LIB/../kafka/pom.xml

kafka_needs() {
    command -v java >/dev/null || echo "default-jre-headless"
    command -v kcat >/dev/null || echo "kcat"
    [ -e "$KAFKA_CACHE/jars" ] || command -v mvn >/dev/null || echo "maven"
}

kafka_java() { # JVM options, class, arguments
    java -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$KAFKA_CACHE/jars/*" "$@"
}

kafka_download() {
    rm -rf "$KAFKA_CACHE/jars.new"
    echo "servers: fetching Kafka $KAFKA_VERSION from Maven Central, once (130 MB)" >&2
    mvn -q -B -f "$KAFKA_POM" -Dstyle.color=never \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$KAFKA_CACHE/jars.new" </dev/null >&2 || return 1
    mv "$KAFKA_CACHE/jars.new" "$KAFKA_CACHE/jars"
}

# Under a lock, into folders that get their names when they are whole: several sets may start at once.
kafka_fetch() {
    [ ! -e "$KAFKA_CACHE/formatted" ] || return 0
    mkdir -p "$KAFKA_CACHE"
    (
        flock 9
        { [ -e "$KAFKA_CACHE/jars" ] || kafka_download; } &&
            { [ -e "$KAFKA_CACHE/formatted" ] || kafka_format; }
    ) 9>"$KAFKA_CACHE/lock"
}

# Formatting takes a JVM of its own; the result is the same for every broker of node id 1.
kafka_format() {
    rm -rf "$KAFKA_CACHE/formatted.new"
    cat >"$KAFKA_CACHE/format.properties" <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:1
listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1
controller.listener.names=CONTROLLER
log.dirs=$KAFKA_CACHE/formatted.new
CONF
    kafka_java kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg \
        -c "$KAFKA_CACHE/format.properties" >"$KAFKA_CACHE/format.log" 2>&1 ||
        { cat "$KAFKA_CACHE/format.log" >&2; return 1; }
    mv "$KAFKA_CACHE/formatted.new" "$KAFKA_CACHE/formatted"
}

kafka_choose() {
    local listener
    for listener in port controller_port sasl_port mtls_port; do
        add_setting kafka "$listener" "$(free_port)"
    done
    add_setting kafka password "$(random_word)"
}

kafka_create() { cp -r "$KAFKA_CACHE/formatted" "$DIR/kafka/data"; }

kafka_configure() {
    local dir=$DIR/kafka port controller_port listeners
    port=$(setting kafka port) controller_port=$(setting kafka controller_port)
    listeners=PLAINTEXT://127.0.0.1:$port
    if has_tls; then
        listeners+=,SASL://127.0.0.1:$(setting kafka sasl_port),MTLS://127.0.0.1:$(setting kafka mtls_port)
    fi
    {
        cat <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
listeners=$listeners,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=$listeners
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,MTLS:SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data
log.segment.bytes=67108864
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=2
auto.create.topics.enable=false
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
controlled.shutdown.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
CONF
        if has_tls; then kafka_tls_lines; fi
        extra_lines kafka
    } >"$dir/conf"
}

kafka_tls_lines() {
    local dir=$DIR/kafka
    cat "$DIR/tls/server.key" "$DIR/tls/server.pem" >"$dir/run/keystore.pem"
    cat <<CONF
ssl.keystore.type=PEM
ssl.keystore.location=$dir/run/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$DIR/tls/ca.pem
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_app="$(setting kafka password)";
listener.name.mtls.ssl.client.auth=required
CONF
}

# Small and quick to start, unless Kafka's own two variables say otherwise.
kafka_launch() {
    # shellcheck disable=SC2086 # several options each
    launch kafka java ${KAFKA_HEAP_OPTS:--Xms128m -Xmx512m} ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC} \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -Dorg.slf4j.simpleLogger.showDateTime=true -cp "$KAFKA_CACHE/jars/*" kafka.Kafka "$DIR/kafka/conf"
}

kafka_ready() { kcat -q -b "127.0.0.1:$(setting kafka port)" -L -m 2; }

kafka_setup() { :; }

kafka_stop_signal() { echo TERM; }

kafka_env() {
    cat <<ENV
host 127.0.0.1
port $(setting kafka port)
brokers 127.0.0.1:$(setting kafka port)
ENV
    if has_tls; then
        cat <<ENV
sasl_brokers 127.0.0.1:$(setting kafka sasl_port)
sasl_mechanism PLAIN
sasl_user app
sasl_password $(setting kafka password)
mtls_brokers 127.0.0.1:$(setting kafka mtls_port)
ENV
    fi
}

# kafka_topics NAME[:PARTITIONS]...
kafka_topics() {
    local topic
    for topic in "$@"; do
        kafka_java org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$(setting kafka port)" \
            --create --if-not-exists --topic "${topic%%:*}" --replication-factor 1 \
            --partitions "$(case $topic in *:*) echo "${topic##*:}" ;; *) echo 1 ;; esac)" >/dev/null
    done
}
