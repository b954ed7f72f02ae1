import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.function.Function;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.Stores;

/** Runs cases, one a line of JSON, through Kafka Streams' own test driver; answers each with one line of what came out. */
public final class Peer {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Serde<String> STRING = Serdes.String();

    public static void main(final String[] args) throws Exception {
        final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                run(JSON.readTree(line), answer);
            } catch (final Throwable thrown) {
                answer = JSON.createObjectNode().put("error", told(thrown));
            }
            System.out.println(JSON.writeValueAsString(answer));
        }
    }

    private static String told(final Throwable thrown) {
        return thrown.getCause() == null ? thrown.toString() : thrown + " because of " + told(thrown.getCause());
    }

    private static void run(final JsonNode example, final ObjectNode answer) throws Exception {
        final String optimization = example.get("optimization").asText();
        answer.put("description", topology(example).describe().toString());
        final Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "nowhere:1");
        config.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("java.io.tmpdir") + "/waggle-peer-" + ProcessHandle.current().pid());
        config.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, optimization);
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, example.get("cached").asBoolean() ? 10_000_000 : 0);
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        if (example.get("shifts").asBoolean()) config.put(StreamsConfig.DEFAULT_TIMESTAMP_EXTRACTOR_CLASS_CONFIG, Shifting.class);
        config.put(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_OUTER_JOIN_SPURIOUS_RESULTS_FIX, 0L);
        config.put(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_WINDOWED_AGGREGATION, 0L);
        final Set<String> globals = new HashSet<>();
        for (final JsonNode step : example.get("steps")) if (step.get("op").asText().equals("globalTable")) globals.add(step.get("topic").asText());
        try (Drivers drivers = new Drivers(example.get("partitions").asInt(), () -> topology(example), config, answer.putObject("outputs"))) {
            for (final JsonNode record : example.get("records")) {
                if (record.get("clockMs").asLong() > 0) drivers.advance(record.get("clockMs").asLong());
                drivers.pipe(record, globals.contains(record.get("topic").asText()));
                if (record.get("crash").asBoolean() && example.get("restarts").asBoolean()) drivers.restart();
            }
        }
    }

    private static Topology topology(final JsonNode example) {
        final StreamsBuilder builder = new StreamsBuilder();
        final List<Object> made = new ArrayList<>();
        for (final JsonNode step : example.get("steps")) made.add(make(builder, made, step));
        final Properties optimizing = new Properties();
        optimizing.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, example.get("optimization").asText());
        return builder.build(optimizing);
    }

    /** A record's time is taken from its value too. */
    public static final class Shifting implements TimestampExtractor {
        @Override
        public long extract(final ConsumerRecord<Object, Object> record, final long partitionTime) {
            if (!(record.value() instanceof String)) return record.timestamp();
            final String value = (String) record.value();
            return value.equals("5y") ? partitionTime : record.timestamp() - 7 + 5L * value.length();
        }
    }

    @SuppressWarnings("unchecked")
    private static Object make(final StreamsBuilder builder, final List<Object> made, final JsonNode step) {
        final Object of = step.has("of") ? made.get(step.get("of").asInt()) : null;
        final Object other = step.has("other") ? made.get(step.get("other").asInt()) : null;
        final KStream<String, String> stream = of instanceof KStream ? (KStream<String, String>) of : null;
        final KTable<String, String> table = of instanceof KTable ? (KTable<String, String>) of : null;
        switch (step.get("op").asText()) {
            case "stream": return builder.stream(step.get("topic").asText(), Consumed.with(STRING, STRING));
            case "streams": {
                final List<String> topics = new ArrayList<>();
                for (final JsonNode topic : step.get("topics")) topics.add(topic.asText());
                return builder.stream(topics, Consumed.with(STRING, STRING));
            }
            case "split": return stream.split().branch((k, v) -> even(v)).defaultBranch();
            case "branch": {
                final String end = step.get("isDefault").asBoolean() ? "0" : "1";
                return ((Map<String, KStream<String, String>>) of).entrySet().stream().filter(branch -> branch.getKey().endsWith(end)).findFirst().get().getValue();
            }
            case "process": {
                final String how = step.get("how").asText();
                final String store = "seen-" + made.size();
                return stream.process(() -> new Processing.Keyed(how, store), Named.as("process-" + made.size()), addStore(builder, how, store));
            }
            case "processValues": {
                final String how = step.get("how").asText();
                final String store = "seen-" + made.size();
                return stream.processValues(() -> new Processing.Values(how, store), Named.as("process-" + made.size()), addStore(builder, how, store));
            }
            case "table": return builder.table(step.get("topic").asText(), Consumed.with(STRING, STRING));
            case "versionedTable": {
                final String topic = step.get("topic").asText();
                final KeyValueBytesStoreSupplier supplier = Stores.persistentVersionedKeyValueStore("versions-" + topic, Duration.ofMillis(step.get("history").asLong()));
                return builder.table(topic, Consumed.with(STRING, STRING), Materialized.<String, String>as(supplier).withKeySerde(STRING).withValueSerde(STRING));
            }
            case "globalTable": return builder.globalTable(step.get("topic").asText(), Consumed.with(STRING, STRING));
            case "filter": return stream != null ? stream.filter((k, v) -> even(v)) : table.filter((k, v) -> even(v));
            case "filterNot": return stream != null ? stream.filterNot((k, v) -> even(v)) : table.filterNot((k, v) -> even(v));
            case "mapValues": return stream != null ? stream.mapValues(v -> mark(v)) : table.mapValues(v -> mark(v));
            case "flatMapValues": return stream.flatMapValues(v -> List.of(show(v), cut(show(v) + show(v))));
            case "flatMap": return stream.flatMap((k, v) -> List.of(KeyValue.pair(k, v), KeyValue.pair(first(v), mark(v))));
            case "selectKey": return stream.selectKey((k, v) -> first(v));
            case "map": return stream.map((k, v) -> KeyValue.pair(first(v), show(k)));
            case "merge": return stream.merge((KStream<String, String>) other);
            case "repartition": return stream.repartition(Repartitioned.with(STRING, STRING));
            case "toTable": return stream.toTable();
            case "toStream": return toStream(of);
            case "aggregate": return aggregate(stream, step);
            case "cogroup": return cogroup(stream, (KStream<String, String>) other, step.get("windows"), "co-" + made.size());
            case "tableAggregate": return tableAggregate(table, step);
            case "tableJoin": return tableJoin(table, (KTable<String, String>) other, step.get("kind").asText());
            case "streamTableJoin": {
                final KTable<String, String> right = (KTable<String, String>) other;
                if (step.get("grace").isNull())
                    return step.get("kind").asText().equals("left") ? stream.leftJoin(right, Peer::join) : stream.join(right, Peer::join);
                final Joined<String, String, String> joined = Joined.with(STRING, STRING, STRING, null, Duration.ofMillis(step.get("grace").asLong()));
                final KStream<String, String> keyed = stream.filter((k, v) -> k != null);
                return step.get("kind").asText().equals("left") ? keyed.leftJoin(right, Peer::join, joined) : keyed.join(right, Peer::join, joined);
            }
            case "globalJoin": {
                final GlobalKTable<String, String> global = (GlobalKTable<String, String>) other;
                return step.get("kind").asText().equals("left")
                    ? stream.leftJoin(global, (k, v) -> first(v), Peer::join)
                    : stream.join(global, (k, v) -> first(v), Peer::join);
            }
            case "foreignKeyJoin": {
                final KTable<String, String> right = (KTable<String, String>) other;
                final Function<String, String> key = Peer::foreignKey;
                return step.get("kind").asText().equals("left") ? table.leftJoin(right, key, Peer::join) : table.join(right, key, Peer::join);
            }
            case "streamJoin": return streamJoin(stream, (KStream<String, String>) other, step);
            case "suppress": return suppress((KTable<Object, String>) of, step);
            case "to": stream.to(step.get("topic").asText(), Produced.with(STRING, STRING)); return null;
            default: throw new IllegalArgumentException(step.toString());
        }
    }

    private static String[] addStore(final StreamsBuilder builder, final String how, final String store) {
        if (!how.equals("count")) return new String[0];
        builder.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(store), STRING, STRING));
        return new String[] {store};
    }

    /** Keys of windows become text, so that every stream has text for its keys. */
    @SuppressWarnings("unchecked")
    private static KStream<String, String> toStream(final Object table) {
        return ((KTable<Object, String>) table).toStream().map((k, v) -> KeyValue.pair(
            k instanceof Windowed ? ((Windowed<String>) k).key() + "@" + ((Windowed<String>) k).window().start() + "-" + ((Windowed<String>) k).window().end() : (String) k, v));
    }

    private static Object aggregate(final KStream<String, String> stream, final JsonNode step) {
        final KGroupedStream<String, String> grouped = step.get("by").asText().equals("key")
            ? stream.groupByKey(Grouped.with(STRING, STRING))
            : stream.groupBy((k, v) -> first(v), Grouped.with(STRING, STRING));
        final String fn = step.get("fn").asText();
        final JsonNode windows = step.get("windows");
        final EmitStrategy emit = step.path("onClose").asBoolean() ? EmitStrategy.onWindowClose() : EmitStrategy.onWindowUpdate();
        if (windows.isNull()) {
            switch (fn) {
                case "count": return grouped.count().mapValues(String::valueOf);
                case "reduce": return grouped.reduce(Peer::concat);
                default: return grouped.aggregate(() -> "", (k, v, a) -> concat(a, v), Materialized.with(STRING, STRING));
            }
        }
        final Duration grace = Duration.ofMillis(windows.get("grace").asLong());
        final Duration size = Duration.ofMillis(windows.get("size").asLong());
        if (windows.get("kind").asText().equals("session")) {
            final SessionWindowedKStream<String, String> sessions = grouped.windowedBy(SessionWindows.ofInactivityGapAndGrace(size, grace)).emitStrategy(emit);
            switch (fn) {
                case "count": return sessions.count().mapValues(v -> v == null ? null : String.valueOf(v));
                case "reduce": return sessions.reduce(Peer::concat);
                default: return sessions.aggregate(() -> "", (k, v, a) -> concat(a, v), (k, a, b) -> concat(a, b), Materialized.with(STRING, STRING));
            }
        }
        final TimeWindowedKStream<String, String> windowed = windowedBy(grouped, windows).emitStrategy(emit);
        switch (fn) {
            case "count": return windowed.count().mapValues(String::valueOf);
            case "reduce": return windowed.reduce(Peer::concat);
            default: return windowed.aggregate(() -> "", (k, v, a) -> concat(a, v), Materialized.with(STRING, STRING));
        }
    }

    private static TimeWindowedKStream<String, String> windowedBy(final KGroupedStream<String, String> grouped, final JsonNode windows) {
        final Duration grace = Duration.ofMillis(windows.get("grace").asLong());
        final Duration size = Duration.ofMillis(windows.get("size").asLong());
        switch (windows.get("kind").asText()) {
            case "sliding": return grouped.windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(size, grace));
            case "unlimited": return grouped.windowedBy(UnlimitedWindows.of().startOn(Instant.ofEpochMilli(size.toMillis())));
            default: return grouped.windowedBy(TimeWindows.ofSizeAndGrace(size, grace).advanceBy(Duration.ofMillis(windows.get("advance").asLong())));
        }
    }

    private static Object cogroup(final KStream<String, String> left, final KStream<String, String> right, final JsonNode windows, final String name) {
        final CogroupedKStream<String, String> cogrouped = left.groupByKey(Grouped.with(name + "-left", STRING, STRING))
            .<String>cogroup((k, v, a) -> concat(a, v))
            .cogroup(right.groupByKey(Grouped.with(name + "-right", STRING, STRING)), (k, v, a) -> concat(a, mark(v)));
        if (windows.isNull()) return cogrouped.aggregate(() -> "", Materialized.with(STRING, STRING));
        final Duration grace = Duration.ofMillis(windows.get("grace").asLong());
        final Duration size = Duration.ofMillis(windows.get("size").asLong());
        switch (windows.get("kind").asText()) {
            case "session": return cogrouped.windowedBy(SessionWindows.ofInactivityGapAndGrace(size, grace)).aggregate(() -> "", (k, a, b) -> concat(a, b), Materialized.with(STRING, STRING));
            case "unlimited": return cogrouped.windowedBy(UnlimitedWindows.of().startOn(Instant.ofEpochMilli(size.toMillis()))).aggregate(() -> "", Materialized.with(STRING, STRING));
            case "sliding": return cogrouped.windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(size, grace)).aggregate(() -> "", Materialized.with(STRING, STRING));
            default: return cogrouped.windowedBy(TimeWindows.ofSizeAndGrace(size, grace).advanceBy(Duration.ofMillis(windows.get("advance").asLong()))).aggregate(() -> "", Materialized.with(STRING, STRING));
        }
    }

    private static Object tableAggregate(final KTable<String, String> table, final JsonNode step) {
        final KGroupedTable<String, String> grouped = table.groupBy((k, v) -> KeyValue.pair(first(v), v), Grouped.with(STRING, STRING));
        switch (step.get("fn").asText()) {
            case "count": return grouped.count().mapValues(String::valueOf);
            case "reduce": return grouped.reduce(Peer::concat, (a, v) -> cut(a + "-" + v));
            default: return grouped.aggregate(() -> "", (k, v, a) -> concat(a, v), (k, v, a) -> cut(a + "-" + v), Materialized.with(STRING, STRING));
        }
    }

    private static Object tableJoin(final KTable<String, String> left, final KTable<String, String> right, final String kind) {
        switch (kind) {
            case "left": return left.leftJoin(right, Peer::join);
            case "outer": return left.outerJoin(right, Peer::join);
            default: return left.join(right, Peer::join);
        }
    }

    private static Object streamJoin(final KStream<String, String> left, final KStream<String, String> right, final JsonNode step) {
        final JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(Duration.ofMillis(step.get("before").asLong()), Duration.ofMillis(step.get("grace").asLong()))
            .after(Duration.ofMillis(step.get("after").asLong()));
        final StreamJoined<String, String, String> joined = StreamJoined.with(STRING, STRING, STRING);
        switch (step.get("kind").asText()) {
            case "left": return left.leftJoin(right, Peer::join, windows, joined);
            case "outer": return left.outerJoin(right, Peer::join, windows, joined);
            default: return left.join(right, Peer::join, windows, joined);
        }
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object suppress(final KTable<Object, String> table, final JsonNode step) {
        if (step.get("limit").isNull()) return ((KTable) table).suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()));
        final Suppressed.EagerBufferConfig bounded = step.get("maxRecords").isNull()
            ? Suppressed.BufferConfig.maxBytes(step.get("maxBytes").asLong())
            : Suppressed.BufferConfig.maxRecords(step.get("maxRecords").asInt());
        final Suppressed.BufferConfig<?> full = step.path("shutDown").asBoolean() ? bounded.shutDownWhenFull() : bounded;
        return table.suppress(Suppressed.untilTimeLimit(Duration.ofMillis(step.get("limit").asLong()), (Suppressed.BufferConfig) full));
    }

    static String show(final Object value) { return value == null ? "null" : value.toString(); }
    static String cut(final String text) { return text.length() <= 12 ? text : text.substring(text.length() - 12); }
    private static boolean even(final String value) { final String text = show(value); return !text.isEmpty() && text.charAt(text.length() - 1) % 2 == 0; }
    static String mark(final String value) { return cut(show(value) + "'"); }
    static String first(final String value) { final String text = show(value); return text.isEmpty() ? "" : text.substring(0, 1); }
    /** None for what begins with a 3. */
    private static String foreignKey(final String value) { return first(value).equals("3") ? null : first(value); }
    private static String concat(final String aggregate, final String value) { return cut(show(aggregate) + show(value)); }
    private static String join(final Object left, final Object right) { return cut(show(left) + "|" + show(right)); }
    static String text(final JsonNode node) { return node.isNull() ? null : node.asText(); }
}
