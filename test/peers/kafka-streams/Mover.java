import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;

/**
 * The application that moves between Kafka Streams and Waggle: counts, windows and sessions of one topic. Runs until its standard input
 * ends. Arguments: brokers, application id, state directory.
 */
public final class Mover {
  public static void main(final String[] args) throws Exception {
    final Properties config = new Properties();
    config.putAll(
        Map.of(
            "bootstrap.servers", args[0],
            "application.id", args[1],
            "state.dir", args[2],
            "processing.guarantee", "exactly_once_v2",
            "statestore.cache.max.bytes", "0",
            "default.key.serde", Serdes.StringSerde.class.getName(),
            "default.value.serde", Serdes.StringSerde.class.getName(),
            "auto.offset.reset", "earliest",
            "replication.factor", "1"));
    final StreamsBuilder builder = new StreamsBuilder();
    final Consumed<String, String> read = Consumed.with(Serdes.String(), Serdes.String());
    final KGroupedStream<String, String> grouped =
        builder.stream("in", read).groupByKey(Grouped.with("g", Serdes.String(), Serdes.String()));
    final Produced<String, String> written = Produced.with(Serdes.String(), Serdes.String());
    grouped.count(Materialized.as("counts")).toStream().map((key, count) -> KeyValue.pair(key, String.valueOf(count))).to("out", written);
    grouped
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(30)))
        .count(Materialized.as("windows"))
        .toStream()
        .map((key, count) -> KeyValue.pair(shown(key), String.valueOf(count)))
        .to("out", written);
    grouped
        .windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(60)))
        .count(Materialized.as("sessions"))
        .toStream()
        .map((key, count) -> KeyValue.pair(shown(key), count == null ? null : String.valueOf(count)))
        .to("out", written);
    final KafkaStreams streams = new KafkaStreams(builder.build(), config);
    streams.setStateListener((to, from) -> System.out.println(to));
    streams.start();
    while (System.in.read() >= 0) {}
    streams.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP).withTimeout(Duration.ofSeconds(20)));
  }

  private static String shown(final Windowed<String> key) {
    return key.key() + "[" + key.window().start() + "," + key.window().end() + "]";
  }
}
