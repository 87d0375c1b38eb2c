"""Topics seen from outside: create, forget, produce, read; with librdkafka's Python client."""

import threading
import time
import uuid

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from harness.waiting import wait_for

LONGEST = 4 << 20  # bytes of a record that is produced


class Topics:
    def __init__(self, servers, way="plain"):
        self.servers = servers
        self.way = way
        self.admin = AdminClient(servers.kafka_options(way))
        self._producer = None
        self.made = set()

    def names(self):
        found = self.admin.list_topics(timeout=20).topics
        return {name for name in found if not name.startswith("__")}

    def create(self, *names, partitions=1):
        self.made.update(names)
        asked = self.admin.create_topics([NewTopic(name, partitions, 1) for name in names])
        for future in asked.values():
            try:
                future.result(timeout=20)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
        wait_for(lambda: set(names) <= self.names(), f"topics {names}")

    def set(self, name, **settings):
        """Instead of all that were set before; _ for a dot."""
        asked = {key.replace("_", "."): str(value) for key, value in settings.items()}
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, set_config=asked)
        for future in self.admin.alter_configs([resource]).values():
            future.result(timeout=20)

    def delete(self, *names):
        present = [name for name in names if name in self.names()]
        if not present:
            return
        for future in self.admin.delete_topics(present, operation_timeout=20).values():
            future.result(timeout=20)
        wait_for(lambda: not set(present) & self.names(), f"topics {present} to be gone")

    def produce(self, topic, value, key=None, headers=None):
        """One message, delivered when this returns."""
        if self._producer is None:
            self._producer = self.servers.producer(self.way, **{"message.max.bytes": LONGEST})
        failed = []
        self._producer.produce(topic, value, key, headers=headers or {},
                               on_delivery=lambda error, _: failed.append(error) if error else None)
        assert self._producer.flush(20) == 0, f"no delivery to {topic} within 20 s"
        assert not failed, f"to {topic}: {failed}"

    def read(self, topic):
        """All that stands in a topic now, a list of messages ordered by partition and offset."""
        consumer = Consumer({**self.servers.kafka_options(self.way), "group.id": f"read-{uuid.uuid4()}",
                             "enable.auto.commit": False, "enable.partition.eof": True})
        try:
            partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            open_partitions = set(partitions)
            consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
            messages = []
            deadline = time.monotonic() + 30
            while open_partitions:
                assert time.monotonic() < deadline, f"{topic} could not be read within 30 s"
                message = consumer.poll(0.2)
                if message is None:
                    continue
                if message.error() is None:
                    messages.append(message)
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition())
            return sorted(messages, key=lambda m: (m.partition(), m.offset()))
        finally:
            consumer.close()


class Tail:
    """Follows one topic from its start, on a thread; messages are kept in order of arrival."""

    def __init__(self, servers, topic, way="plain"):
        self.topic = topic
        self.messages = []
        self._changed = threading.Condition()
        self._ending = False
        self._options = {**servers.kafka_options(way), "group.id": f"tail-{uuid.uuid4()}",
                         "enable.auto.commit": False, "reconnect.backoff.max.ms": 500}
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        consumer = Consumer(self._options)
        try:
            partitions = consumer.list_topics(self.topic, timeout=20).topics[self.topic].partitions
            consumer.assign([TopicPartition(self.topic, number, 0) for number in partitions])
            while not self._ending:
                message = consumer.poll(0.1)
                if message is not None and message.error() is None:
                    with self._changed:
                        self.messages.append(message)
                        self._changed.notify_all()
        finally:
            consumer.close()

    def wait(self, is_wanted, what, timeout_s=30):
        """The first message, already seen or to come, for which is_wanted(message) holds."""
        deadline = time.monotonic() + timeout_s
        seen = 0
        with self._changed:
            while True:
                for message in self.messages[seen:]:
                    if is_wanted(message):
                        return message
                seen = len(self.messages)
                left = deadline - time.monotonic()
                assert left > 0, f"{self.topic}: no {what} within {timeout_s} s in {seen} messages"
                self._changed.wait(left)

    def close(self):
        self._ending = True
        self._thread.join(10)
