import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.internals.WrappedStateStore;
import org.apache.kafka.streams.test.TestRecord;

/** A test driver for each partition of the input topics, and what all of them have written. */
final class Drivers implements AutoCloseable {
    private final Supplier<Topology> topology;
    private final Properties config;
    private final ObjectNode outputs;
    private final List<TopologyTestDriver> drivers = new ArrayList<>();
    private long clock = 0;
    private int made = 0;

    Drivers(final int partitions, final Supplier<Topology> topology, final Properties config, final ObjectNode outputs) {
        this.topology = topology;
        this.config = config;
        this.outputs = outputs;
        for (int at = 0; at < partitions; at++) drivers.add(newDriver());
    }

    void advance(final long ms) {
        clock += ms;
        for (final TopologyTestDriver driver : drivers) {
            driver.advanceWallClockTime(Duration.ofMillis(ms));
            take(driver);
        }
    }

    /** A topic of a global table is read by the tasks of all partitions. */
    void pipe(final JsonNode record, final boolean isGlobal) {
        final int partition = record.get("partition").asInt();
        for (int at = 0; at < drivers.size(); at++) {
            if (!isGlobal && drivers.size() > 1 && at != partition) continue;
            final TopologyTestDriver driver = drivers.get(at);
            final StringSerializer serializer = new StringSerializer();
            driver.createInputTopic(record.get("topic").asText(), serializer, serializer)
                .pipeInput(new TestRecord<>(Peer.text(record.get("key")), Peer.text(record.get("value")), headers(record), record.get("timestamp").asLong()));
            take(driver);
        }
    }

    /** Starts all tasks again, with the rows that they had. */
    void restart() {
        for (int at = 0; at < drivers.size(); at++) {
            final TopologyTestDriver before = drivers.get(at);
            final Map<String, List<KeyValue<Bytes, byte[]>>> rows = new HashMap<>();
            before.getAllStateStores().forEach((name, store) -> rows.put(name, rowsOf(innermost(store))));
            before.close();
            final TopologyTestDriver after = newDriver();
            after.getAllStateStores().forEach((name, store) -> rows.get(name).forEach(row -> innermost(store).put(row.key, row.value)));
            drivers.set(at, after);
        }
    }

    @Override
    public void close() {
        for (final TopologyTestDriver driver : drivers) driver.close();
    }

    private TopologyTestDriver newDriver() {
        final Properties own = new Properties();
        own.putAll(config);
        own.put(StreamsConfig.STATE_DIR_CONFIG, config.get(StreamsConfig.STATE_DIR_CONFIG) + "/" + made++);
        return new TopologyTestDriver(topology.get(), own, Instant.ofEpochMilli(clock));
    }

    private void take(final TopologyTestDriver driver) {
        for (final String topic : new TreeSet<>(driver.producedTopicNames())) {
            final ArrayNode list = outputs.withArray("/" + topic.replace("~", "~0").replace("/", "~1"));
            final ByteArrayDeserializer bytes = new ByteArrayDeserializer();
            for (final TestRecord<byte[], byte[]> record : driver.createOutputTopic(topic, bytes, bytes).readRecordsToList()) {
                final ArrayNode row = list.addArray().add(hex(record.key())).add(hex(record.value())).add(record.timestamp());
                final ArrayNode headers = row.addArray();
                for (final Header header : record.headers()) headers.add(header.key() + "=" + hex(header.value()));
            }
        }
    }

    private static RecordHeaders headers(final JsonNode record) {
        final RecordHeaders headers = new RecordHeaders();
        for (final JsonNode header : record.get("headers")) headers.add(header.get(0).asText(), header.get(1).asText().getBytes(StandardCharsets.UTF_8));
        return headers;
    }

    @SuppressWarnings("unchecked")
    private static KeyValueStore<Bytes, byte[]> innermost(final StateStore store) {
        StateStore inner = store;
        while (inner instanceof WrappedStateStore) inner = ((WrappedStateStore<?, ?, ?>) inner).wrapped();
        return (KeyValueStore<Bytes, byte[]>) inner;
    }

    private static List<KeyValue<Bytes, byte[]>> rowsOf(final KeyValueStore<Bytes, byte[]> store) {
        final List<KeyValue<Bytes, byte[]>> rows = new ArrayList<>();
        try (KeyValueIterator<Bytes, byte[]> all = store.all()) {
            all.forEachRemaining(rows::add);
        }
        return rows;
    }

    private static String hex(final byte[] bytes) { return bytes == null ? null : HexFormat.of().formatHex(bytes); }
}
