import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Counts the values of `in`, through a repartition topic, to `out`. Runs until its standard input ends. Arguments: brokers, application id, state
 * directory and, where the program is to process nothing behind its repartition topic, `holds`: then each of the eight tasks has a thread, and those
 * behind the topic wait for ever. RUNNING is printed when it is so.
 */
public final class Repartitioner {
  public static void main(final String[] args) throws Exception {
    final boolean holds = args.length > 3 && args[3].equals("holds");
    final Properties config = new Properties();
    config.putAll(
        Map.of(
            "bootstrap.servers", args[0],
            "application.id", args[1],
            "state.dir", args[2],
            "num.stream.threads", args.length > 3 ? "8" : "1",
            "commit.interval.ms", "50",
            "statestore.cache.max.bytes", "0",
            "default.key.serde", Serdes.StringSerde.class.getName(),
            "default.value.serde", Serdes.StringSerde.class.getName(),
            "auto.offset.reset", "earliest",
            "session.timeout.ms", "6000"));
    config.put("heartbeat.interval.ms", "500");
    config.put("replication.factor", "1");
    final StreamsBuilder builder = new StreamsBuilder();
    builder.stream("in", Consumed.with(Serdes.String(), Serdes.String()))
        .groupBy((key, value) -> value, Grouped.with("by-value", Serdes.String(), Serdes.String()))
        .aggregate(
            () -> 0L,
            (key, value, count) -> {
              if (holds) waitForEver();
              return count + 1;
            },
            Materialized.<String, Long, org.apache.kafka.streams.state.KeyValueStore<org.apache.kafka.common.utils.Bytes, byte[]>>as("counts")
                .withValueSerde(Serdes.Long()))
        .toStream()
        .map((key, count) -> KeyValue.pair(key, String.valueOf(count)))
        .to("out", Produced.with(Serdes.String(), Serdes.String()));
    final KafkaStreams streams = new KafkaStreams(builder.build(), config);
    if (!holds) streams.setStateListener((to, from) -> System.out.println(to));
    streams.start();
    if (holds) {
      while (!hasOneTaskAThread(streams)) Thread.sleep(20);
      System.out.println("RUNNING");
    }
    while (System.in.read() >= 0) {}
    // Threads that wait for ever do not close.
    if (holds) Runtime.getRuntime().halt(0);
    streams.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
  }

  /** A thread that had a task of each kind would wait for ever behind the topic, and leave its share of the input unread. */
  private static boolean hasOneTaskAThread(final KafkaStreams streams) {
    return streams.metadataForLocalThreads().stream().allMatch(thread -> thread.activeTasks().size() == 1);
  }

  private static void waitForEver() {
    try {
      Thread.sleep(Long.MAX_VALUE);
    } catch (final InterruptedException thrown) {
      throw new IllegalStateException(thrown);
    }
  }
}
