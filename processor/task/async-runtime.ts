import type { Admission, AsyncStep, Outcome } from '../../topology/async-step.ts'
import { Fifo } from '../../topology/fifo.ts'
import type { AsyncNode } from '../../topology/graph.ts'
import type { Record } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { RecordRows } from '../async/record-rows.ts'
import { bitsOf, Resumption, type Unfinished } from '../async/unfinished-entries.ts'
import type { WaitingShare } from '../async/waiting-limit.ts'
import { type LogRecord, objectBytes, recordMemory, valueBytes } from '../ports.ts'
import type { CurrentRecord } from './current-record.ts'
import type { NodeContext } from './node-context.ts'
import type { NodeRuntime } from './node-runtime.ts'
import type { TaskSurroundings } from './task-surroundings.ts'

/**
 * An asynchronous node in one task. Records wait here in the order of their arrival, until their outcomes come. An outcome is forwarded after the
 * outcomes of all earlier records. If the node orders by key, an outcome waits only for earlier records of the same key. A record whose outcome was
 * forwarded before the outcome of an earlier record stays in the queue. So a commit can note which records after the committed position are done.
 * `async/row-batcher.ts` makes the calls: it limits the number in flight, and tries failed calls again.
 */
export class AsyncRuntime implements NodeRuntime {
  readonly name: string
  readonly #node: AsyncNode
  readonly #context: NodeContext
  readonly #surroundings: TaskSurroundings
  readonly #onOutcome: () => void
  readonly #current: CurrentRecord
  readonly #byKey: boolean
  readonly #below: readonly AsyncRuntime[]
  readonly #maxSlots: number
  readonly #waitingShare: WaitingShare
  readonly #waiting = new Fifo<Waiting>()
  /** Records that are not forwarded yet. Records under one key are forwarded in order. */
  readonly #chains = new Map<unknown, Fifo<Waiting>>()
  /** Records that are not forwarded yet, by key, in order; null if records with the same key are called side by side. */
  readonly #repeats: Map<unknown, Fifo<Waiting>> | null
  /** The value of a key in a store of this node. */
  readonly #read = (store: string, key: unknown): unknown => this.#context.getStateStore<KeyValueStore<unknown, unknown>>(store).get(key)
  /** Records that wait until the outcomes of earlier records with their key were forwarded. */
  #held: Waiting[] = []
  /** Records that are the first in their chain and have an outcome, in the order in which the outcomes came. */
  #ready: Waiting[] = []
  /** The number of forwarded records in `waiting`. */
  #forwardedCount = 0
  readonly #resumptions = new Map<number, Resumption>()
  /** The input record of the last entry, and the index that the next entry of this record gets. */
  #lastRead: LogRecord | null = null
  #index = 0

  /**
   * `below`: asynchronous nodes after this one. If there are such nodes, this node keeps the order of all records, because the notes of the later
   * nodes rely on this order. `slots`: the number of records that may overtake one slow call. Each slot takes a bit in the commit. `onOutcome`:
   * called when an outcome may be forwarded.
   */
  constructor(
    node: AsyncNode,
    {
      context,
      surroundings,
      current,
      below,
      slots,
      onOutcome,
    }: {
      context: NodeContext
      surroundings: TaskSurroundings
      current: CurrentRecord
      below: readonly AsyncRuntime[]
      slots: number
      onOutcome: () => void
    },
  ) {
    this.name = node.name
    this.#node = node
    this.#context = context
    this.#surroundings = surroundings
    this.#onOutcome = onOutcome
    this.#current = current
    this.#waitingShare = surroundings.waitingShare(node, context.taskId)
    this.#below = below
    this.#maxSlots = slots
    this.#byKey = node.step.ordered === 'key' && below.length === 0
    this.#repeats = node.step.repeats === undefined ? null : new Map()
  }

  /** The number of records that are not forwarded yet. */
  get size(): number {
    return this.#waitingShare.records
  }

  /** True if an outcome may be forwarded. */
  get hasOutcomes(): boolean {
    return this.#ready.length > 0
  }

  get isFull(): boolean {
    return this.#waitingShare.isFull || this.#waiting.size >= this.#maxSlots
  }

  /** Takes over the last commit's note on a partition whose records are read again up to an offset. */
  resume(partition: number, unfinished: Unfinished): void {
    this.#resumptions.set(partition, new Resumption(unfinished))
  }

  /** True for a record that is read again because it, or an earlier record, was not finished here or in a later node. */
  wants(partition: number, offset: number): boolean {
    return this.#resumptions.get(partition)?.isBehind(offset) === true || this.#below.some((node) => node.wants(partition, offset))
  }

  process(record: Record<unknown, unknown>): void {
    const { partitionIndex: partition, record: read, isReplay } = this.#current
    if (read === null) throw notInAPunctuation(this.name)
    this.#index = read === this.#lastRead ? this.#index + 1 : 0
    this.#lastRead = read
    const wasDone = isReplay && (this.#resumptions.get(partition)?.wasDone(read.offset, this.#index) ?? true)
    const isDone = wasDone && !this.#below.some((node) => node.wants(partition, read.offset))
    const chainKey = this.#byKey ? identityOf(record.key) : null
    const waiting: Waiting = {
      record,
      partition,
      offset: read.offset,
      read,
      index: this.#index,
      chainKey,
      repeatKey: this.#repeats === null ? null : identityOf(record.key),
      isRedone: wasDone,
      outcome: null,
      rows: null,
      isForwarded: false,
      bytes: this.#memoryOf(read, record.value),
    }
    // The call may throw, so the call comes before the record gets a slot. A slot without an outcome would block all records after it.
    const isBehind = !isDone && this.#isHeldBack(waiting)
    // In front of other nodes all records keep their order, so a record that waits would hold up all others.
    const isHeld = isBehind && this.#below.length === 0
    const admission = isDone || isHeld ? 'pass' : ((isBehind ? this.#step.repeats?.refusal() : null) ?? this.#admissionOf(waiting))
    this.#waiting.push(waiting)
    this.#waitingShare.hold(1, waiting.bytes)
    if (isDone) {
      this.#markForwarded(waiting)
      this.#trim()
      return
    }
    const chain = this.#chains.get(chainKey)
    if (chain !== undefined) chain.push(waiting)
    else this.#chains.set(chainKey, new Fifo([waiting]))
    this.#addRepeat(waiting)
    if (isHeld) this.#held.push(waiting)
    else this.#begin(waiting, admission)
  }

  /** Begins with the records that no earlier record holds back any more. Must be called after outcomes were forwarded, here or in a later node. */
  release(): void {
    if (this.#held.length === 0) return
    const held = this.#held
    this.#held = []
    for (const [at, waiting] of held.entries()) {
      if (waiting.read === null) continue
      if (this.#isHeldBack(waiting)) {
        this.#held.push(waiting)
        continue
      }
      this.#current.enter(waiting.partition, waiting.read, waiting.isRedone)
      try {
        this.#begin(waiting, this.#admissionOf(waiting))
      } catch (thrown) {
        this.#held.push(...held.slice(at))
        throw thrown
      } finally {
        this.#current.leave()
      }
    }
  }

  /**
   * Forwards up to `limit` outcomes that no earlier record holds back, each in the context of its record, and returns their number. `mayGo` is false
   * for a partition that is still read again.
   */
  drain(mayGo: (partition: number) => boolean, limit: number): number {
    if (this.#ready.length === 0) return 0
    const ready = this.#ready
    this.#ready = []
    let drained = 0
    for (const [at, first] of ready.entries()) {
      try {
        drained += this.#drainChain(first.chainKey, mayGo, limit - drained)
      } catch (thrown) {
        this.#ready.push(...ready.slice(at))
        throw thrown
      }
    }
    this.#current.leave()
    this.#trim()
    return drained
  }

  /** The unfinished entries of a partition; null without waiting entries. */
  unfinished(partition: number): Unfinished | null {
    let oldest: Waiting | null = null
    const done: boolean[] = []
    for (const waiting of this.#waiting) {
      if (waiting.partition !== partition || (oldest === null && waiting.isForwarded)) continue
      oldest ??= waiting
      if (this.#forwardedCount === 0) break
      done.push(waiting.isForwarded)
    }
    return oldest === null ? null : { offset: oldest.offset, skip: oldest.index, done: bitsOf(done) }
  }

  close(): void {
    for (const { rows } of this.#waiting) rows?.forget()
    this.#waitingShare.leave()
    this.#waiting.clear()
    this.#chains.clear()
    this.#repeats?.clear()
    this.#held = []
    this.#ready = []
  }

  /** True if an earlier input with the same key is not forwarded yet, here or in a later node. */
  #isHeldBack({ repeatKey, partition, offset }: Waiting): boolean {
    return this.#repeats !== null && this.#isUnderWay(repeatKey, { partition, offset })
  }

  #isUnderWay(key: unknown, input: { readonly partition: number; readonly offset: number }): boolean {
    const oldest = this.#repeats?.get(key)?.head
    if (oldest !== undefined && (oldest.offset !== input.offset || oldest.partition !== input.partition)) return true
    return this.#below.some((node) => node.#isUnderWay(key, input))
  }

  #addRepeat(waiting: Waiting): void {
    const alike = this.#repeats?.get(waiting.repeatKey)
    if (alike === undefined) this.#repeats?.set(waiting.repeatKey, new Fifo([waiting]))
    else alike.push(waiting)
  }

  #removeRepeat(waiting: Waiting): void {
    const alike = this.#repeats?.get(waiting.repeatKey)
    // A record that was done before a restart was not added.
    if (alike === undefined || alike.head !== waiting) return
    alike.shift()
    if (alike.size === 0) this.#repeats?.delete(waiting.repeatKey)
  }

  get #step(): AsyncStep<unknown, unknown, unknown, unknown> {
    return this.#node.step as unknown as AsyncStep<unknown, unknown, unknown, unknown>
  }

  #admissionOf({ record }: Waiting): Admission {
    const { repeats } = this.#step
    if (repeats?.isRepeat(record, this.#read) === true) return repeats.refusal()
    return this.#step.admit(record, this.#surroundings.clock.now())
  }

  #begin(waiting: Waiting, admission: Admission): void {
    if (admission === 'pass') this.#done(waiting, { kind: 'passed' })
    else if (admission !== 'call') this.#done(waiting, { kind: 'error', error: admission, report: null })
    else {
      waiting.rows = this.#surroundings.batcher(this.#node, this.#context.taskId).add({
        record: waiting.record,
        metadata: this.#current.toMetadata(),
        done: (outcome) => this.#done(waiting, outcome),
      })
    }
  }

  #trim(): void {
    while (this.#waiting.head?.isForwarded) {
      this.#waiting.shift()
      this.#forwardedCount--
    }
  }

  #drainChain(chainKey: unknown, mayGo: (partition: number) => boolean, limit: number): number {
    const chain = this.#chains.get(chainKey)
    let drained = 0
    for (let head = chain?.head; head !== undefined && head.outcome !== null; head = chain?.head) {
      if (drained >= limit || !mayGo(head.partition)) {
        this.#ready.push(head)
        break
      }
      this.#forward(head, head.outcome)
      chain?.shift()
      drained++
    }
    if (chain?.size === 0) this.#chains.delete(chainKey)
    return drained
  }

  #forward(waiting: Waiting, outcome: Outcome<unknown>): void {
    const step = this.#node.step as unknown as { forward(outcome: Outcome<unknown>, record: Record<unknown, unknown>, context: NodeContext): void }
    // A redone record was finished before the last commit. Only later nodes need it again.
    if (waiting.read !== null) this.#current.enter(waiting.partition, waiting.read, waiting.isRedone)
    try {
      step.forward(outcome, waiting.record, this.#context)
    } catch (thrown) {
      this.#context.failed(thrown, waiting.record)
    }
    this.#markForwarded(waiting)
  }

  /** Keeps the slot of a forwarded record, and drops its content. */
  #markForwarded(waiting: Waiting): void {
    this.#removeRepeat(waiting)
    waiting.isForwarded = true
    waiting.record = forwardedRecord
    waiting.read = null
    waiting.rows = null
    waiting.outcome = null
    this.#waitingShare.letGo(1, waiting.bytes)
    this.#forwardedCount++
  }

  #grow(waiting: Waiting, bytes: number): void {
    waiting.bytes += bytes
    this.#waitingShare.hold(0, bytes)
  }

  /** The memory of a record as it was read, and of its value here. The value may be larger, such as a decoded picture. */
  #memoryOf(read: LogRecord, value: unknown): number {
    return recordMemory(read) + objectBytes + Math.max(0, this.#bytesOf(value) - valueBytes(read.value))
  }

  #bytesOf(value: unknown): number {
    return this.#node.step.bytesOf?.(value as never) ?? 0
  }

  #done(waiting: Waiting, outcome: Outcome<unknown>): void {
    waiting.outcome = outcome
    if (outcome.kind === 'result') this.#grow(waiting, this.#bytesOf(outcome.result))
    if (this.#chains.get(waiting.chainKey)?.head !== waiting) return
    this.#ready.push(waiting)
    this.#onOutcome()
    this.#surroundings.wake()
  }
}

interface Waiting {
  record: Record<unknown, unknown>
  readonly partition: number
  readonly offset: number
  read: LogRecord | null
  /** The entry's index among the entries of the same input record `read`. */
  readonly index: number
  /** The key whose order the record keeps; null for the order of all records. */
  readonly chainKey: unknown
  /** The key, if records with the same key are called one after the other. */
  readonly repeatKey: unknown
  /** True for a record that was done before the last commit, and is done again for a later node. */
  readonly isRedone: boolean
  outcome: Outcome<unknown> | null
  /** The record's rows on their way into calls; null for a record without a call. */
  rows: RecordRows<unknown, unknown, unknown, unknown> | null
  isForwarded: boolean
  /** The memory of this entry, in bytes. */
  bytes: number
}

/** Replaces a record in its entry after the record was forwarded, which frees the record's memory. */
const forwardedRecord: Record<unknown, unknown> = { key: null, value: null, timestamp: -1, headers: [] }

/**
 * An identity that is equal for equal keys. If different keys share an identity, the records of these keys also wait for each other, which is
 * harmless.
 */
function identityOf(key: unknown): unknown {
  if (typeof key !== 'object' || key === null) return key
  if (key instanceof Uint8Array) return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
  return JSON.stringify(key, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part))
}

/** The error of a punctuation that forwards to an asynchronous node. A crash would lose the record, because no committed input gives it again. */
function notInAPunctuation(node: string): WaggleError {
  return new WaggleError('WAGGLE_ASYNC_IN_PUNCTUATION', {
    message: `A punctuation forwards to ${node}, which is asynchronous: a crash would lose the record`,
    next: `Send the punctuation’s records to a topic, and let ${node} read that topic.`,
  })
}
