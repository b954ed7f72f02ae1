import type { StreamTableJoin } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import type { Serde } from '../../../topology/serde.ts'
import type { KeyValueStore } from '../../../topology/state-store.ts'
import type { Waiting } from '../../../topology/streams/join-buffer.ts'
import { isVersioned } from '../../../topology/streams/table-view.ts'
import type { KeptNumber } from '../../state/task-memory.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openTable, type TableLookup } from './table-lookup.ts'

/** Looks each record up in a table: as it is now, or, where the table knows, as it was at the record's time. */
export class StreamTableJoinProcessor extends StoredProcessor {
  readonly #operator: StreamTableJoin
  readonly #looksBack: boolean
  #table: TableLookup = () => null
  #waiting: KeyValueStore<Uint8Array, Waiting> | null = null
  #streamTime: KeptNumber = { value: -1 }
  #sequence = 0

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
    this.#streamTime = this.context.kept('time')
    for (const [row] of this.#waiting.all()) this.#sequence = Math.max(this.#sequence, sequenceIn(row))
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value } = record
    const { keyOf, left, buffer } = this.#operator
    const tableKey = value === null ? null : keyOf(key, value)
    if (value === null || (tableKey === null && !left)) {
      this.drop()
      return
    }
    // Without a key it finds nothing, however long it waits.
    if (buffer === null || key === null || this.#streamTime.value - buffer.graceMs > record.timestamp) this.#join(record, tableKey)
    else this.#wait(record, buffer)
  }

  #wait(record: Record<unknown, unknown>, { store, graceMs }: NonNullable<StreamTableJoin['buffer']>): void {
    const waiting = this.#waiting
    const { key: keys } = this.#operator.serdes as unknown as { readonly key: Serde<unknown> }
    if (waiting === null) return
    const { timestamp, value, headers } = record
    this.#streamTime.value = Math.max(this.#streamTime.value, timestamp)
    this.#sequence = (this.#sequence + 1) & maxSequence
    waiting.put(rowOf(timestamp, keys.serialize(store, record.key, headers), this.#sequence), { value, headers })
    const due = this.#streamTime.value - graceMs
    if (due < 0) return
    // Bounds are inclusive: the least row of the next millisecond is none that can be.
    for (const [row, one] of waiting.range(null, timeBytes(due + 1))) {
      waiting.put(row, null)
      const key = keys.deserialize(store, row.subarray(8, row.length - 4), one.headers)
      this.#join({ key, value: one.value, timestamp: timestampIn(row), headers: one.headers }, key)
    }
  }

  #join(record: Record<unknown, unknown>, tableKey: unknown): void {
    const { join, left } = this.#operator
    const { key, value, timestamp } = record
    const row = tableKey === null ? null : this.#looksBack ? this.#table(tableKey, timestamp) : this.#table(tableKey)
    if (row === null && !left) return
    this.context.forward({ ...record, value: join(key, value, row?.value ?? null) })
  }
}

const maxSequence = 0x7fffffff

/** `timestamp i64 │ key │ sequence i32`. */
function rowOf(timestamp: number, key: Uint8Array, sequence: number): Uint8Array {
  const last = Buffer.allocUnsafe(4)
  last.writeInt32BE(sequence)
  return Buffer.concat([timeBytes(timestamp), key, last])
}

function timeBytes(timestamp: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64BE(BigInt(timestamp))
  return bytes
}

function timestampIn(row: Uint8Array): number {
  const view = new DataView(row.buffer, row.byteOffset, row.length)
  return view.getInt32(0) * 2 ** 32 + view.getUint32(4)
}

function sequenceIn(row: Uint8Array): number {
  return new DataView(row.buffer, row.byteOffset, row.length).getInt32(row.length - 4)
}
