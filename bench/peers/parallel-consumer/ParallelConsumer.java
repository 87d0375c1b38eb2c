import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Confluent's parallel-consumer, unordered: parses each job and sends one event by a producer of its own, without
 * waiting for it.
 *
 * <p>Arguments: BROKERS JOBS_TOPIC EVENTS_TOPIC GROUP COUNT. Prints "first MICROSECONDS" (since the epoch) at the first
 * job, "done MICROSECONDS" when all events are acknowledged and all offsets committed; ends when its input does.
 */
public final class ParallelConsumer {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int CONCURRENCY = Integer.getInteger("concurrency", 16);
    private static final Duration COMMIT_EVERY = Duration.ofMillis(500);

    private static void tell(String what) {
        System.out.println(what + " " + ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()));
        System.out.flush();
    }

    private static long committed(Admin admin, String group) throws Exception {
        return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values().stream()
                .filter(one -> one != null).mapToLong(one -> one.offset()).sum();
    }

    private static void work(String[] words, long count) throws Exception {
        var first = new AtomicBoolean(true);
        var told = new AtomicLong();
        var consumer = new KafkaConsumer<String, byte[]>(
                Map.of("bootstrap.servers", words[0], "group.id", words[3], "auto.offset.reset", "earliest",
                        "enable.auto.commit", "false", "max.poll.records", "2000"),
                new StringDeserializer(), new ByteArrayDeserializer());
        var producer = new KafkaProducer<String, String>(
                Map.of("bootstrap.servers", words[0], "linger.ms", "5", "batch.size", "131072"),
                new StringSerializer(), new StringSerializer());
        var options = ParallelConsumerOptions.<String, byte[]>builder().consumer(consumer)
                .ignoreReflectiveAccessExceptionsForAutoCommitDisabledCheck(true)
                .ordering(ProcessingOrder.UNORDERED).maxConcurrency(CONCURRENCY)
                .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS).commitInterval(COMMIT_EVERY).build();
        ParallelStreamProcessor<String, byte[]> processor =
                ParallelStreamProcessor.createEosStreamProcessor(options);
        processor.subscribe(List.of(words[1]));
        processor.poll(context -> {
            if (first.compareAndSet(true, false)) {
                tell("first");
            }
            ConsumerRecord<String, byte[]> record = context.getSingleConsumerRecord();
            producer.send(event(words[2], record.value()), (metadata, error) -> {
                if (error != null) {
                    throw new IllegalStateException(error);
                }
                told.incrementAndGet();
            });
        });
        try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", words[0]))) {
            while (told.get() < count) {
                Thread.sleep(5);
            }
            while (committed(admin, words[3]) < count) {
                Thread.sleep(20);
            }
            tell("done");
        }
        System.in.readAllBytes();
        processor.closeDontDrainFirst();
        producer.close();
    }

    private static ProducerRecord<String, String> event(String topic, byte[] value) {
        try {
            JsonNode job = JSON.readTree(value);
            String id = job.get("id").textValue();
            return new ProducerRecord<>(topic, id,
                    "{\"specversion\":\"1.0\",\"id\":\"" + id + ":succeeded\",\"type\":\"haul.event.succeeded.v1\","
                            + "\"source\":\"/loop\",\"subject\":\"" + id + "\",\"time\":\""
                            + job.get("time").textValue() + "\",\"data\":{\"job_id\":\"" + id
                            + "\",\"workspace_id\":\"" + job.get("data").get("workspace_id").textValue()
                            + "\",\"state\":\"succeeded\",\"attempt\":1}}");
        } catch (java.io.IOException error) {
            throw new IllegalArgumentException(error);
        }
    }

    public static void main(String[] words) throws Exception {
        if (words.length != 5) {
            throw new IllegalArgumentException("see the head of ParallelConsumer.java");
        }
        work(words, Long.parseLong(words[4]));
        System.exit(0);
    }
}
