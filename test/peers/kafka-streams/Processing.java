import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** The processors of the programs, as in processors.ts. */
final class Processing {
    private static final Duration TICK = Duration.ofMillis(10);

    /** Changes keys, counts in a store, or also forwards the times at which a punctuation fires. */
    static final class Keyed implements Processor<String, String, String, String> {
        private final String how;
        private final String store;
        private ProcessorContext<String, String> context;
        private KeyValueStore<String, String> seen;

        Keyed(final String how, final String store) {
            this.how = how;
            this.store = store;
        }

        @Override
        public void init(final ProcessorContext<String, String> given) {
            context = given;
            if (how.equals("count")) seen = context.getStateStore(store);
            if (how.equals("streamTime")) context.schedule(TICK, PunctuationType.STREAM_TIME, this::tick);
            if (how.equals("clock")) context.schedule(TICK, PunctuationType.WALL_CLOCK_TIME, this::tick);
        }

        private void tick(final long time) {
            context.forward(new Record<>("tick", String.valueOf(time), time));
        }

        @Override
        public void process(final Record<String, String> record) {
            final Record<String, String> passed = record.withHeaders(passed(record.headers(), how));
            if (how.equals("rekey")) context.forward(passed.withKey(Peer.first(record.value())).withValue(Peer.mark(record.value())));
            else if (seen == null) context.forward(passed);
            else context.forward(passed.withValue(counted(seen, record.key(), record.value())));
        }
    }

    static final class Values implements FixedKeyProcessor<String, String, String> {
        private final String how;
        private final String store;
        private FixedKeyProcessorContext<String, String> context;
        private KeyValueStore<String, String> seen;

        Values(final String how, final String store) {
            this.how = how;
            this.store = store;
        }

        @Override
        public void init(final FixedKeyProcessorContext<String, String> given) {
            context = given;
            if (how.equals("count")) seen = context.getStateStore(store);
        }

        @Override
        public void process(final FixedKeyRecord<String, String> record) {
            final String value = seen == null ? Peer.mark(record.value()) : counted(seen, record.key(), record.value());
            context.forward(record.withValue(value).withHeaders(passed(record.headers(), how)));
        }
    }

    private static Headers passed(final Headers headers, final String how) {
        return new RecordHeaders(headers).add("passed", how.getBytes(StandardCharsets.UTF_8));
    }

    private static String counted(final KeyValueStore<String, String> seen, final String key, final String value) {
        final String before = seen.get(Peer.show(key));
        final String count = String.valueOf(before == null ? 1 : Integer.parseInt(before) + 1);
        seen.put(Peer.show(key), count);
        return Peer.cut(Peer.show(value) + "#" + count);
    }

    private Processing() {}
}
