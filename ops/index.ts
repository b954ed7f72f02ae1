/** The exports of the package `waggle-streams`. */
export * from '../bees/index.ts'
export {
  type ProtobufOptions,
  type SchemaOptions,
  type SchemaRegistry,
  type SchemaRegistryOptions,
  type SubjectOptions,
  schemaRegistry,
} from '../connectors/schema-registry/schema-registry.ts'
export type { StreamsState } from '../processor/application/application.ts'
export type { Metric } from '../processor/metrics/meters.ts'
export type { FailedRecord, Handler } from '../topology/failed-record.ts'
export {
  KeyQuery,
  type LagInfo,
  MultiVersionedKeyQuery,
  Query,
  RangeQuery,
  type ResultOrder,
  TimestampedKeyQuery,
  TimestampedRangeQuery,
  VersionedKeyQuery,
  WindowKeyQuery,
  WindowRangeQuery,
} from '../topology/queries.ts'
export type { ListenedStore, StandbyUpdateListener, StateRestoreListener } from '../topology/state-listeners.ts'
export type { Sasl, StreamsConfig, StreamsHandlers, StreamsModule } from '../topology/streams-config.ts'
export type { DefinedBee, Input, SwarmDefinition } from '../topology/swarm/swarm-definition.ts'
export { Streams } from './streams/streams.ts'
export { defineSwarm, loadSwarm, type Swarm } from './swarms/swarm.ts'
