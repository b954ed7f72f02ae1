import type { JoinByKey, JoinEntry } from '../../topology/operators/join-by-key.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import { DueIndex, forgetMark } from './due-index.ts'
import { OpenedProcessor } from './opened-processor.ts'
import type { OperatorContext } from './operator-context.ts'
import { WaitingRows } from './waiting-rows.ts'

interface Parts<V, R> {
  readonly context: ProcessorContext<string, R>
  readonly entries: KeyValueStore<string, JoinEntry<V>>
  readonly dues: DueIndex
  readonly waiting: WaitingRows
}

/**
 * Separates a key from a part of the key's identity. The separator is U+FFFD, with which decoders replace bytes that are not UTF-8. A request id
 * never contains U+FFFD.
 */
export const partSeparator = '\ufffd'

export class JoinByKeyProcessor<V, R> extends OpenedProcessor<string, V, string, R, Parts<V, R>> {
  readonly #operator: JoinByKey<V, R>
  readonly #nameOf: ReadonlyMap<string, string>

  constructor(operator: JoinByKey<V, R>) {
    super()
    this.#operator = operator
    this.#nameOf = new Map(operator.inputs.map(({ name, topic }) => [topic, name]))
  }

  override open(context: ProcessorContext<string, R> & Pick<OperatorContext, 'meters'>): Parts<V, R> {
    const entries = context.getStateStore<KeyValueStore<string, JoinEntry<V>>>(this.#operator.store)
    const { dueStore, timeoutMs } = this.#operator
    const store = context.getStateStore<KeyValueStore<string, string>>(dueStore)
    const dues = new DueIndex(store, context, (key, isDue, { at, mark }) => {
      if (mark !== forgetMark) this.parts.waiting.left(key, at)
      this.#due(key, isDue)
    })
    const waiting = new WaitingRows({ store, context, timeoutMs, waiting: context.meters.waiting })
    return { context, entries, dues, waiting }
  }

  process(record: Record<string, V>): void {
    const { context, entries, dues, waiting } = this.parts
    const name = this.#nameOf.get(context.recordMetadata?.topic ?? '')
    if (name === undefined) return
    const { key, value, timestamp, headers } = record
    const part = this.#operator.partOf?.(headers) ?? ''
    const row = part === '' ? key : `${key}${partSeparator}${part}`
    const before = entries.get(row)
    // The value came after its key was forwarded, or came a second time.
    if (before?.sent || before?.parts.has(name)) return
    const parts = new Map(before?.parts).set(name, value)
    const due = before?.due ?? this.#deadline(record, context.currentSystemTime)
    const entry: JoinEntry<V> = {
      ...(part === '' ? {} : { key }),
      parts,
      headers: before === null ? headers : (this.#operator.joinedHeaders?.(before.headers, headers) ?? before.headers),
      timestamp: Math.max(before?.timestamp ?? timestamp, timestamp),
      due,
      sent: false,
    }
    if (parts.size < this.#operator.inputs.length) {
      entries.put(row, entry)
      if (before === null) {
        dues.add(row, due)
        waiting.came(row, due)
      }
      return
    }
    if (before !== null) {
      dues.remove(row, due)
      waiting.left(row, due)
    }
    this.#send(row, entry)
  }

  #due(row: string, isDue: (time: number) => boolean): void {
    const { entries } = this.parts
    const entry = entries.get(row)
    if (entry === null || !isDue(entry.due)) return
    if (entry.sent) entries.delete(row)
    else this.#send(row, entry)
  }

  #send(row: string, entry: JoinEntry<V>): void {
    const { context, entries, dues } = this.parts
    const { inputs, duplicateRetentionMs, lateRetentionMs, combine, headersOf, onMissing } = this.#operator
    const key = entry.key ?? row
    const missing = inputs.flatMap(({ name }) => (entry.parts.has(name) ? [] : [name]))
    const retentionMs = missing.length > 0 ? Math.max(lateRetentionMs, duplicateRetentionMs ?? 0) : duplicateRetentionMs
    if (retentionMs === null) entries.delete(row)
    else {
      const due = context.currentSystemTime + retentionMs
      entries.put(row, { parts: new Map(), headers: [], timestamp: entry.timestamp, due, sent: true })
      dues.add(row, due, forgetMark)
    }
    if (missing.length > 0) onMissing?.(key, missing, context.taskId)
    const value = combine(entry.parts, missing)
    context.forward({ key, value, timestamp: entry.timestamp, headers: headersOf?.(entry.headers, value) ?? entry.headers })
  }

  #deadline({ headers }: Record<string, V>, now: number): number {
    const own = this.#operator.deadlineOf(headers)
    const timeout = now + this.#operator.timeoutMs
    return own === null ? timeout : Math.min(own, timeout)
  }
}
