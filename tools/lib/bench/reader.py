"""A bare reader beside a worker: when the broker gives a record to anybody, for what the worker adds to it."""

import threading
import time

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

POLL_S = 0.1
JOIN_S = 5


class Reader:
    """Follows a topic from its end on a thread of its own: `came` has the time of each key's record."""

    def __init__(self, servers, topic, partitions):
        self.came = {}
        self.consumer = Consumer({**servers.kafka_options(), "group.id": f"reader-{time.time_ns()}",
                                  "enable.auto.commit": False, "fetch.wait.max.ms": 100})
        self.consumer.assign([TopicPartition(topic, number, OFFSET_END) for number in range(partitions)])
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopping:
            message = self.consumer.poll(POLL_S)
            if message is not None and message.error() is None:
                self.came[message.key().decode()] = time.time()

    def close(self):
        self.stopping = True
        self.thread.join(JOIN_S)
        self.consumer.close()
