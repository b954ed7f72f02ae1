import type { JoinByKey, JoinEntry } from '../../topology/operators/join-by-key.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import { JoinDeadlines } from './join-deadlines.ts'
import { OpenedProcessor } from './opened-processor.ts'
import type { OperatorContext } from './operator-context.ts'

interface Parts<V, R> {
  readonly context: ProcessorContext<string, R>
  readonly entries: KeyValueStore<string, JoinEntry<V>>
  readonly deadlines: JoinDeadlines<V>
}

/**
 * Separates a key from a part of the key's identity. The separator is U+FFFD, with which decoders replace bytes that are not UTF-8. A request id
 * never contains U+FFFD.
 */
export const partSeparator = '\ufffd'

/**
 * Keeps the values of each key until every input has arrived, and forwards them. At the deadline of a key (`JoinDeadlines`) it forwards the values that
 * have arrived, with the names of the missing inputs.
 */
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
    const deadlines = new JoinDeadlines<V>({ operator: this.#operator, context, entries, onDeadline: (row, entry) => this.#send(row, entry) })
    return { context, entries, deadlines }
  }

  process(record: Record<string, V>): void {
    const { context, entries, deadlines } = this.parts
    const name = this.#nameOf.get(context.recordMetadata?.topic ?? '')
    if (name === undefined) return
    const { key, value, timestamp, headers } = record
    const part = this.#operator.partOf?.(headers) ?? ''
    const row = part === '' ? key : `${key}${partSeparator}${part}`
    const before = entries.get(row)
    // The value came after its key was forwarded, or came a second time.
    if (before?.sent || before?.parts.has(name)) return
    const parts = new Map(before?.parts).set(name, value)
    const due = before?.due ?? deadlines.deadlineOf(headers)
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
      if (before === null) deadlines.begin(row, due)
      return
    }
    if (before !== null) deadlines.end(row, due)
    this.#send(row, entry)
  }

  #send(row: string, entry: JoinEntry<V>): void {
    const { context, entries, deadlines } = this.parts
    const { inputs, duplicateRetentionMs, lateRetentionMs, combine, headersOf, onMissing } = this.#operator
    const key = entry.key ?? row
    const missing = inputs.flatMap(({ name }) => (entry.parts.has(name) ? [] : [name]))
    const retentionMs = missing.length > 0 ? Math.max(lateRetentionMs, duplicateRetentionMs ?? 0) : duplicateRetentionMs
    if (retentionMs === null) entries.delete(row)
    else {
      const due = context.currentSystemTime + retentionMs
      entries.put(row, { parts: new Map(), headers: [], timestamp: entry.timestamp, due, sent: true })
      deadlines.forgetAt(row, due)
    }
    if (missing.length > 0) onMissing?.(key, missing, context.taskId)
    const value = combine(entry.parts, missing)
    context.forward({ key, value, timestamp: entry.timestamp, headers: headersOf?.(entry.headers, value) ?? entry.headers })
  }
}
