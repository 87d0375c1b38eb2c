"""Jobs that do nothing: their bytes, on a topic or in a file."""

import time

from confluent_kafka import Consumer, Producer, TopicPartition

PARTITIONS = 12
WORKSPACE = "w1"


def job_ids(count, begin="01JD"):
    """As long as a ULID, growing as ULIDs do."""
    start = f"{begin}{int(time.time() * 1000):013d}"
    return [f"{start}{number:09d}" for number in range(count)]


def job_text(kind, job_id, workspace=WORKSPACE, data=""):
    """`data`: more members, a comma before each."""
    return (f'{{"specversion":"1.0","id":"{job_id}","type":"haul.job.{kind}.v1","source":"/bench",'
            f'"subject":"{job_id}","time":"{time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}",'
            f'"datacontenttype":"application/json","data":{{"workspace_id":"{workspace}"{data}}}}}')


def write_file(path, kind, count):
    path.write_text("".join(job_text(kind, job_id) + "\n" for job_id in job_ids(count)))


def fill_topic(servers, topic, kind, count):
    producer = Producer({**servers.kafka_options(), "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    for number, job_id in enumerate(job_ids(count)):
        producer.produce(topic, job_text(kind, job_id), job_id)
        if number % 1000 == 0:
            producer.poll(0)
            while len(producer) > 500_000:
                producer.poll(0.1)
    if producer.flush(60) != 0:
        raise RuntimeError(f"{topic}: not all jobs were delivered")


class Topic:
    """What stands in a topic, and how far a group is."""

    def __init__(self, servers, name, group="bench-reader"):
        self.name = name
        self.consumer = Consumer({**servers.kafka_options(), "group.id": group, "enable.auto.commit": False,
                                  "queued.min.messages": 1_000_000, "enable.partition.eof": False})
        self.partitions = sorted(self.consumer.list_topics(name, timeout=20).topics[name].partitions)

    def ends(self):
        return [self.consumer.get_watermark_offsets(TopicPartition(self.name, number), timeout=20)[1]
                for number in self.partitions]

    def committed(self):
        """Records that the group has committed."""
        found = self.consumer.committed([TopicPartition(self.name, number) for number in self.partitions], timeout=20)
        return sum(max(one.offset, 0) for one in found)

    def read(self, begins, ends):
        """The messages of each partition from begin to before end, in lists as they come."""
        left = sum(ends) - sum(begins)
        self.consumer.assign([TopicPartition(self.name, number, begin)
                              for number, begin in zip(self.partitions, begins)])
        silent_until = time.monotonic() + 30
        while left > 0:
            messages = [message for message in self.consumer.consume(10_000, 1.0) if message.error() is None]
            messages = [message for message in messages if message.offset() < ends[message.partition()]]
            left -= len(messages)
            if messages:
                silent_until = time.monotonic() + 30
                yield messages
            elif time.monotonic() > silent_until:
                raise RuntimeError(f"{self.name}: {left} records could not be read")
        self.consumer.unassign()

    def close(self):
        self.consumer.close()
