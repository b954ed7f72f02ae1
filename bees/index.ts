export { Consumed, type ConsumedOptions, type TimestampExtractor, TimestampExtractors } from '../topology/consumed.ts'
export { type ProcessOptions, type TopicNameExtractor, Topology } from '../topology/graph.ts'
export type {
  Cancellable,
  FixedKeyProcessor,
  FixedKeyProcessorContext,
  FixedKeyProcessorSupplier,
  Processor,
  ProcessorContext,
  ProcessorSupplier,
  PunctuationType,
  Punctuator,
} from '../topology/processor-api.ts'
export { Produced, type ProducedOptions, type StreamPartitioner } from '../topology/produced.ts'
export type { Header, KeyValue, NewRecord, Record, RecordMetadata, Window, Windowed } from '../topology/record.ts'
export type { Deserializer, Serde, Serializer } from '../topology/serde.ts'
export { Serdes } from '../topology/serdes.ts'
export type {
  KeyValueStore,
  Logging,
  SessionStore,
  StateStore,
  StoreBuilder,
  ValueAndTimestamp,
  VersionedKeyValueStore,
  VersionedRecord,
  WindowStore,
} from '../topology/state-store.ts'
export type { Aggregator, Merger, Reducer } from '../topology/streams/aggregation.ts'
export type { AsyncCallOf as AsyncCall, AsyncOptions, BatchedKStream } from '../topology/streams/async-stream.ts'
export { Branched, type BranchedKStream } from '../topology/streams/branched-stream.ts'
export type { CogroupedKStream, SessionWindowedCogroupedKStream, TimeWindowedCogroupedKStream } from '../topology/streams/cogrouped-stream.ts'
export { GlobalKTable } from '../topology/streams/global-table.ts'
export type { KGroupedStream } from '../topology/streams/grouped-stream.ts'
export type { KGroupedTable } from '../topology/streams/grouped-table.ts'
export { Joined, StreamJoined, type StreamJoinedOptions, TableJoined } from '../topology/streams/join-options.ts'
export type { KStream } from '../topology/streams/kstream.ts'
export type { KTable } from '../topology/streams/ktable.ts'
export { Materialized, type MaterializedOptions, type StoreOptions } from '../topology/streams/materialized.ts'
export { Grouped, Named, Repartitioned } from '../topology/streams/options.ts'
export type { SessionWindowedKStream } from '../topology/streams/session-windowed-stream.ts'
export { type StoreSupplier, Stores } from '../topology/streams/stores.ts'
export { StreamsBuilder } from '../topology/streams/streams-builder.ts'
export { BufferConfig, Suppressed } from '../topology/streams/suppressed.ts'
export type { TimeWindowedKStream } from '../topology/streams/time-windowed-stream.ts'
export { EmitStrategy, JoinWindows, SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows } from '../topology/streams/windows.ts'
export { Secret, secretText } from '../topology/swarm/secrets/secret.ts'
export { Refused, WaggleError } from '../topology/waggle-error.ts'
export type { Bee, BeeContext, BeeDefinition, BeePorts, BeeRequest, BeeType, BytesOutput, TensorsInput } from './define-bee.ts'
export { defineBee, ErrorInput } from './define-bee.ts'
