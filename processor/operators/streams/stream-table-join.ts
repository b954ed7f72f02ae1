import type { StreamTableJoin } from '../../../topology/operators/streams-operators.ts'
import type { Record, RecordMetadata } from '../../../topology/record.ts'
import type { Serde } from '../../../topology/serde.ts'
import type { KeyValueStore } from '../../../topology/state-store.ts'
import type { Suppressed } from '../../../topology/streams/suppress-serdes.ts'
import { isVersioned } from '../../../topology/streams/table-view.ts'
import type { KeptNumber } from '../../state/task-memory.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openTable, type TableLookup } from './table-lookup.ts'

/** Looks each record up in a table: in its current rows, or in a versioned table in the rows at the record's time. */
export class StreamTableJoinProcessor extends StoredProcessor {
  readonly #operator: StreamTableJoin
  readonly #looksBack: boolean
  #table: TableLookup = () => null
  #waiting: KeyValueStore<Uint8Array, Suppressed> | null = null
  #streamTime: KeptNumber = { value: -1 }
  #sequence: KeptNumber = { value: 0 }

  constructor(operator: StreamTableJoin) {
    super()
    this.#operator = operator
    this.#looksBack = isVersioned(operator.table)
  }

  override open(): void {
    const { table, buffer } = this.#operator
    this.#table = openTable(table, (name) => this.store(name))
    if (buffer === null) return
    this.#waiting = this.store(buffer.store)
    this.#streamTime = this.context.kept('time', 'forgettable')
    this.#sequence = this.context.kept('sequence')
    if (this.#sequence.value < 0) this.#sequence.value = 0
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value } = record
    const { keyOf, left, buffer } = this.#operator
    const tableKey = value === null ? null : keyOf(key, value)
    if (value === null || (tableKey === null && !left)) {
      this.drop()
      return
    }
    // A record without a key never finds a row, so it does not wait.
    if (buffer !== null && key !== null && this.#streamTime.value - buffer.graceMs <= record.timestamp) {
      this.#wait(record, buffer)
      return
    }
    const joined = this.#joined(record, tableKey)
    if (joined !== null) this.context.forward(joined)
  }

  #wait(record: Record<unknown, unknown>, { store, graceMs }: NonNullable<StreamTableJoin['buffer']>): void {
    const waiting = this.#waiting
    const { key: keys } = this.#operator.serdes as unknown as { readonly key: Serde<unknown> }
    if (waiting === null) return
    const { timestamp, value, headers } = record
    this.#streamTime.value = Math.max(this.#streamTime.value, timestamp)
    this.#sequence.value = (this.#sequence.value + 1) & maxSequence
    waiting.put(rowOf(timestamp, keys.serialize(store, record.key, headers), this.#sequence.value), {
      time: 0,
      timestamp,
      metadata: this.context.recordMetadata ?? nowhere,
      change: { oldValue: null, newValue: value },
      prior: null,
      headers,
    })
    const due = this.#streamTime.value - graceMs
    if (due < 0) return
    // The upper bound is the first possible row of the next millisecond. Bounds are inclusive, but no row has exactly this key.
    for (const [row, one] of waiting.range(null, Buffer.concat([timeFirst, timeBytes(due + 1)]))) {
      waiting.put(row, null)
      const key = keys.deserialize(store, row.subarray(9, row.length - 4), one.headers)
      const joined = this.#joined({ key, value: one.change.newValue, timestamp: one.timestamp, headers: one.headers }, key)
      if (joined !== null) this.context.forwardFrom(one.metadata, joined)
    }
  }

  /** The joined value; null for an inner join if the table has no row. */
  #joined(record: Record<unknown, unknown>, tableKey: unknown): Record<unknown, unknown> | null {
    const { join, left } = this.#operator
    const { key, value, timestamp } = record
    const row = tableKey === null ? null : this.#looksBack ? this.#table(tableKey, timestamp) : this.#table(tableKey)
    return row === null && !left ? null : { ...record, value: join(key, value, row?.value ?? null) }
  }
}

const maxSequence = 0x7fffffff
const timeFirst = Buffer.of(0)
const nowhere: RecordMetadata = { topic: '', partition: -1, offset: -1n }

/** A row's key: `0 │ timestamp i64 │ key │ sequence i32`, Kafka Streams' time-first schema. Kafka Streams' key-first rows begin with 1 instead. */
function rowOf(timestamp: number, key: Uint8Array, sequence: number): Uint8Array {
  const last = Buffer.allocUnsafe(4)
  last.writeInt32BE(sequence)
  return Buffer.concat([timeFirst, timeBytes(timestamp), key, last])
}

function timeBytes(timestamp: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64BE(BigInt(timestamp))
  return bytes
}
