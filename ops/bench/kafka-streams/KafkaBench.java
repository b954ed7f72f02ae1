import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.StateRestoreListener;

/**
 * Runs one workload of Kafka Streams on a real broker. With "restore" it restores the state from a changelog on the broker instead. Arguments:
 * run|restore, workload, guarantee, bytes of cache, brokers, records, application, input, output, state directory. The output is the same as of
 * `kafka-run.ts`.
 */
public final class KafkaBench {
    public static void main(final String[] args) throws Exception {
        final boolean restores = args[0].equals("restore");
        final long records = Long.parseLong(args[5]);
        final StreamsBuilder builder = new StreamsBuilder();
        Bench.build(builder, args[1], Duration.ofSeconds(10), args[7], args[8]);
        final Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[6]);
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[4]);
        config.put(StreamsConfig.STATE_DIR_CONFIG, args[9]);
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, Long.parseLong(args[3]));
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[2].equals("exactly_once") ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
        final KafkaStreams streams = new KafkaStreams(builder.build(), config);
        streams.setUncaughtExceptionHandler(failure -> {
            failure.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        final Restored restored = new Restored();
        streams.setGlobalStateRestoreListener(restored);
        final long cpu = cpuNanos();
        streams.start();
        long from = 0;
        if (restores) restored.done.await();
        else {
            for (double processed = 0; processed < records; processed = processed(streams)) {
                if (from == 0 && processed > 0) from = System.nanoTime();
                Thread.sleep(5);
            }
            if (from == 0) from = System.nanoTime();
        }
        streams.close();
        final double seconds = (restores ? restored.endedAt - restored.startedAt : System.nanoTime() - from) / 1e9;
        System.out.println("{\"records\":" + (restores ? restored.count.get() : records) + ",\"seconds\":" + seconds + ",\"cpuMicros\":"
            + (cpuNanos() - cpu) / 1000 + ",\"peakBytes\":" + peakBytes() + "}");
        System.exit(0);
    }

    private static double processed(final KafkaStreams streams) {
        return streams.metrics().entrySet().stream()
            .filter(one -> one.getKey().name().equals("process-total") && one.getKey().group().equals("stream-thread-metrics"))
            .mapToDouble(one -> (Double) one.getValue().metricValue()).sum();
    }

    private static long cpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    private static long peakBytes() throws Exception {
        return Files.readAllLines(Path.of("/proc/self/status")).stream().filter(line -> line.startsWith("VmHWM:"))
            .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024).sum();
    }

    private static final class Restored implements StateRestoreListener {
        final CountDownLatch done = new CountDownLatch(1);
        final AtomicLong count = new AtomicLong();
        volatile long startedAt;
        volatile long endedAt;

        @Override
        public void onRestoreStart(final TopicPartition partition, final String store, final long from, final long to) {
            startedAt = System.nanoTime();
        }

        @Override
        public void onBatchRestored(final TopicPartition partition, final String store, final long end, final long batch) {
            count.addAndGet(batch);
        }

        @Override
        public void onRestoreEnd(final TopicPartition partition, final String store, final long total) {
            endedAt = System.nanoTime();
            done.countDown();
        }
    }
}
