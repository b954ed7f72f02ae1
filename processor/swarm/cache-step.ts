import type { ProcessorContext } from '../../topology/processor-api.ts'
import { headerText, type Record } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import { claimedBytes } from '../../topology/swarm/payload/claimed-payload.ts'
import type { CacheEntry } from '../../topology/swarm/payload/entry-serdes.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import { isAnswered } from '../../topology/swarm/request/answered.ts'
import { noteOf, withNote } from '../../topology/swarm/request/bee-notes.ts'
import { withBranches } from '../../topology/swarm/request/branches.ts'
import { cachedRequestHeader, cacheKeysHeader } from '../../topology/swarm/request/headers.ts'
import { DueIndex } from '../operators/due-index.ts'
import { OpenedProcessor } from '../operators/opened-processor.ts'
import { answeredBefore, resultMark } from './cache-key-step.ts'
import { outputRecord, synchronousCall } from './output-record.ts'

export interface CacheOptions {
  readonly bee: string
  /** `body`: the readers that get an input for which no result is known. `exits`: the readers that get results. */
  readonly body: readonly string[]
  readonly exits: readonly string[]
  readonly store: string
  readonly dueStore: string
  readonly retentionMs: number
  /** The bounds of this partition. */
  readonly maxEntries: number
  readonly maxBytes: number
  readonly onOutput: (bee: string, output: Payload) => void
}

interface Parts {
  readonly context: ProcessorContext<string, Payload>
  readonly entries: KeyValueStore<string, CacheEntry>
  readonly dues: DueIndex
}

/**
 * Forwards an input to the body if no result is known for it. Otherwise forwards the known result to the exits. The first result from the body is
 * kept, and replaces later results for the same input. So requests that arrive together get the same result too. If a bee of the body has answered a
 * request itself, the result of this request is not kept. Another request would not get that answer.
 *
 * The store maps the hash of an input to its result. The store also maps `totals` to the number and the bytes of all results. `<store>-due` has the
 * hashes in the order of their expiry, which is also the order of their age.
 */
export class CacheProcessor extends OpenedProcessor<string, Payload, string, Payload, Parts> {
  readonly #options: CacheOptions

  constructor(options: CacheOptions) {
    super()
    this.#options = options
  }

  override open(context: ProcessorContext<string, Payload>): Parts {
    const entries = context.getStateStore<KeyValueStore<string, CacheEntry>>(this.#options.store)
    const dues = new DueIndex(context.getStateStore(this.#options.dueStore), context, (hash, isDue) => {
      const entry = entries.get(hash)
      if (entry !== null && isDue(entry.due)) this.#forget(hash, entry)
    })
    return { context, entries, dues }
  }

  process(record: Record<string, Payload>): void {
    const { context, entries } = this.parts
    const { bee, body, exits } = this.#options
    const { key: hash, value, headers } = record
    const note = noteOf(headers, cacheKeysHeader, bee)
    const isResult = note?.endsWith(resultMark) ?? false
    const bodyAnswered = isAnswered(record) && note?.includes(answeredBefore) !== true
    const known = entries.get(hash)
    const kept = known !== null && known.due > context.currentSystemTime ? known.payload : null
    if (value.kind === 'error') this.#forward(record, value, exits)
    else if (kept !== null) this.#forward(record, kept, exits)
    else if (!isResult) this.#forward(record, value, body)
    else {
      // The object of a large result may be deleted before the result's time is over, so such a result is not kept.
      if (!bodyAnswered && claimedBytes(value) === 0) this.#keep(hash, value)
      this.#forward(record, value, exits)
    }
  }

  #forward(record: Record<string, Payload>, value: Payload, readers: readonly string[]): void {
    const { context } = this.parts
    const { bee, exits, onOutput } = this.#options
    const key = headerText(record.headers, cachedRequestHeader) ?? record.key
    const note = isAnswered(record) ? `${record.key}${answeredBefore}` : record.key
    const made = outputRecord({ ...record, key }, value, value.kind === 'error' ? null : synchronousCall(context.currentSystemTime))
    const headers = withNote(made.headers, cacheKeysHeader, bee, readers === exits ? null : note).filter(
      (header) => header.key !== cachedRequestHeader,
    )
    if (readers === exits && value.kind !== 'error') onOutput(bee, value)
    context.forward({ ...made, headers: withBranches(headers, { by: bee, readers }) })
  }

  #keep(hash: string, payload: Payload): void {
    const { context, entries, dues } = this.parts
    const { retentionMs, maxEntries, maxBytes } = this.#options
    const bytes = payloadSerde.serialize('', payload).byteLength + hash.length
    const old = entries.get(hash)
    if (old !== null) this.#forget(hash, old)
    if (bytes > maxBytes) return
    for (let { count, bytes: sum } = this.#totals(); count >= maxEntries || sum + bytes > maxBytes; { count, bytes: sum } = this.#totals()) {
      const oldest = dues.first()
      if (oldest === null) break
      const entry = entries.get(oldest.key)
      if (entry === null) dues.remove(oldest.key, oldest.due)
      else this.#forget(oldest.key, entry)
    }
    const due = context.currentSystemTime + retentionMs
    entries.put(hash, { payload, bytes, due, count: 1 })
    dues.add(hash, due)
    this.#add(1, bytes)
  }

  #forget(hash: string, { bytes, due }: CacheEntry): void {
    const { entries, dues } = this.parts
    entries.delete(hash)
    dues.remove(hash, due)
    this.#add(-1, -bytes)
  }

  #totals(): CacheEntry {
    return this.parts.entries.get(totals) ?? { payload: null, bytes: 0, due: 0, count: 0 }
  }

  #add(count: number, bytes: number): void {
    const before = this.#totals()
    this.parts.entries.put(totals, { ...before, count: before.count + count, bytes: before.bytes + bytes })
  }
}

/** The key of the sums over all entries. A hash never has this form. */
const totals = 'totals'
