import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.*;

/** Runs one workload in the test driver of Kafka Streams. Arguments: workload, keys, records. Prints CPU and wall time in nanoseconds. */
public final class Bench {
    private static final Serde<String> TEXT = Serdes.String();

    public static void main(final String[] args) {
        final int keys = Integer.parseInt(args[1]);
        final int records = Integer.parseInt(args[2]);
        final StreamsBuilder builder = new StreamsBuilder();
        final int inputs = build(builder, args[0], Duration.ofSeconds(1), "in", "out");
        final Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "bench");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "nowhere:1");
        config.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        try (TopologyTestDriver driver = new TopologyTestDriver(builder.build(), config, Instant.ofEpochMilli(0))) {
            final byte[] value = "x".repeat(100).getBytes(StandardCharsets.UTF_8);
            final ByteArraySerializer bytes = new ByteArraySerializer();
            final TestInputTopic<byte[], byte[]>[] topics = new TestInputTopic[inputs];
            for (int at = 0; at < inputs; at++) topics[at] = driver.createInputTopic("in" + at, bytes, bytes);
            final TestOutputTopic<byte[], byte[]> out = driver.createOutputTopic("out", new ByteArrayDeserializer(), new ByteArrayDeserializer());
            final int warmup = records / 5;
            long cpu = 0;
            long wall = 0;
            for (int at = 0; at < records + warmup; at++) {
                if (at == warmup) {
                    cpu = cpuNanos();
                    wall = System.nanoTime();
                }
                final byte[] key = ("key-" + (at / inputs * (2654435761L % keys)) % keys).getBytes(StandardCharsets.UTF_8);
                topics[at % inputs].pipeInput(key, value, (long) at);
                if (at % 1000 == 999) out.readRecordsToList();
            }
            System.out.println((cpuNanos() - cpu) + " " + (System.nanoTime() - wall));
        }
        System.exit(0);
    }

    /** Adds the steps of a workload, and returns the number of its inputs. The input topics are `input` followed by 0 and by 1. */
    static int build(final StreamsBuilder builder, final String workload, final Duration window, final String input,
                     final String output) {
        final Consumed<String, String> read = Consumed.with(TEXT, TEXT);
        final Produced<String, Long> counted = Produced.with(TEXT, Serdes.Long());
        final Produced<String, String> written = Produced.with(TEXT, TEXT);
        final Grouped<String, String> grouped = Grouped.with(TEXT, TEXT);
        switch (workload) {
            case "stateless":
                builder.stream(input + "0", read).filter((k, v) -> !v.isEmpty()).mapValues(v -> v + "!").to(output, written);
                return 1;
            case "count":
                builder.stream(input + "0", read).groupByKey(grouped).count().toStream().to(output, counted);
                return 1;
            case "tumbling":
                builder.stream(input + "0", read).groupByKey(grouped).windowedBy(TimeWindows.ofSizeWithNoGrace(window)).count()
                    .toStream((w, n) -> w.key()).to(output, counted);
                return 1;
            case "sliding":
                builder.stream(input + "0", read).groupByKey(grouped).windowedBy(SlidingWindows.ofTimeDifferenceWithNoGrace(window)).count()
                    .toStream((w, n) -> w.key()).to(output, counted);
                return 1;
            case "session":
                builder.stream(input + "0", read).groupByKey(grouped).windowedBy(SessionWindows.ofInactivityGapWithNoGrace(window)).count()
                    .toStream((w, n) -> w.key()).to(output, counted);
                return 1;
            case "stream-stream join":
                builder.stream(input + "0", read).join(builder.stream(input + "1", read), (a, b) -> a, JoinWindows.ofTimeDifferenceWithNoGrace(window),
                    StreamJoined.with(TEXT, TEXT, TEXT)).to(output, written);
                return 2;
            case "stream-table join":
                builder.stream(input + "0", read).join(builder.table(input + "1", read), (a, b) -> a).to(output, written);
                return 2;
            case "table-table join":
                builder.table(input + "0", read).join(builder.table(input + "1", read), (a, b) -> a).toStream().to(output, written);
                return 2;
            case "suppress":
                builder.stream(input + "0", read).groupByKey(grouped).windowedBy(TimeWindows.ofSizeWithNoGrace(window)).count()
                    .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded())).toStream((w, n) -> w.key()).to(output, counted);
                return 1;
            default:
                throw new IllegalArgumentException(workload);
        }
    }

    private static long cpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }
}
