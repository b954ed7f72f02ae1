import { bytesIn, type Clock, type CommitPoint, type ProducerRecord, valueBytes } from '../../../processor/ports.ts'
import { commitDropped } from '../../../topology/log-errors.ts'
import type { Rocks } from '../../rocksdb/rocks.ts'
import { ByteWriter } from './byte-writer.ts'
import type { Change } from './change.ts'
import { closedLog } from './closed-log.ts'
import type { CommitMark } from './commit-mark.ts'
import { type Appended, type PendingCommit, writeCommit, writeError } from './commit-write.ts'
import type { LentDisk } from './lent-disk.ts'
import type { Partition, TailRecord } from './partition.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { Segments } from './segments.ts'
import type { StoreIds } from './store-ids.ts'
import type { Topics } from './topics.ts'
import type { UnreadTails } from './unread-tails.ts'

export interface CommitCycleOptions {
  readonly clock: Clock
  readonly disk: LentDisk
  readonly segments: Segments
  readonly uses: SegmentUses
  readonly mark: CommitMark
  readonly topics: Topics
  readonly tails: UnreadTails
  readonly storeIds: StoreIds
  /** Called when records are dropped that a task may already have read. */
  readonly onReadDropped: () => void
}

/** A record from a plain producer, which commits each record by itself. */
interface SentRecord extends Appended {
  /** False: the record starts no write cycle. It waits for a cycle that another record or commit starts. */
  readonly durable: boolean
  resolve(): void
  reject(error: unknown): void
}

/**
 * Gathers all waiting records and commits into one write (group commit). `writeCommit` writes and syncs them. One cycle runs at a time. Records and
 * commits that arrive meanwhile go into the next cycle. If a write fails, the records of its cycle are lost, and the next cycle repairs the database
 * first.
 */
export class CommitCycle {
  readonly #options: CommitCycleOptions
  readonly #topics: Topics
  readonly #segments: Segments
  readonly #writer = new ByteWriter()
  #waiting: PendingCommit[] = []
  #sent: SentRecord[] = []
  /** Records with a large payload. At the end of this turn of the event loop, their payloads are written to a segment. */
  #large: Appended[] = []
  #pendingBytes = 0
  #running: Promise<void> | null = null
  #isClosed = false
  #cancelRepair = () => {}

  constructor(options: CommitCycleOptions) {
    this.#options = options
    this.#topics = options.topics
    this.#segments = options.segments
  }

  /** The number of bytes in records that are appended and not durable yet. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /** Appends a record that a later commit makes durable. Readers with isolation `handed` see it at once. Throws WAGGLE_MISSING_TOPIC. */
  append(record: ProducerRecord, owner: object | null): Appended {
    const partition = this.#topics.partition(record.topic, record.partition)
    const appended = { partition, record: partition.append(record, owner) }
    this.#pendingBytes += appended.record.bytes
    if (valueBytes(record.value) > inlineBytes) this.#putAheadSoon(appended)
    partition.notify()
    return appended
  }

  /** Appends a record and commits it by itself. Settles when the record is durable. */
  send(record: ProducerRecord, durable: boolean): Promise<{ readonly offset: number }> {
    if (this.#isClosed) return Promise.reject(closedLog())
    const appended = this.append(record, null)
    return new Promise((resolve, reject) => {
      this.#sent.push({ ...appended, durable, resolve: () => resolve({ offset: appended.record.offset }), reject })
      if (durable) this.#start()
    })
  }

  commit(group: string, appended: readonly Appended[], point: CommitPoint | null): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ appended, group, point, resolve, reject })
      this.#start()
    })
  }

  /** Settles when all records and commits up to now are durable. Throws WAGGLE_CLOSED, or the error of a failed write. */
  async durable(): Promise<void> {
    await this.#running
    if (this.#isClosed) throw closedLog()
    const { broken } = this.#options.disk
    if (broken !== null) throw broken
    if (this.#running === null && this.#sent.length === 0 && this.#waiting.length === 0) return
    await this.sync()
  }

  /** Settles when everything that was appended before this call is durable. The call starts a write cycle. */
  sync(): Promise<void> {
    return this.#isClosed ? Promise.reject(closedLog()) : this.commit('', [], null)
  }

  /**
   * Makes a change while no commit is running. If the database cannot be written, throws the reason. A failed write changes nothing, and the next
   * cycle repairs the database.
   */
  async change(plan: (rocks: Rocks) => Change): Promise<void> {
    await this.settled()
    const rocks = this.#options.disk.forWriting()
    const { rows, apply } = plan(rocks)
    if (rows.length > 0) {
      try {
        rocks.write(rows)
      } catch (error) {
        this.#break(error)
        throw writeError(rocks.directory, error)
      }
    }
    apply()
  }

  /** Settles when no cycle runs. The next cycle begins after that. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => {})
  }

  /** Rejects the waiting commits of task producers with WAGGLE_COMMIT_DROPPED. A running cycle continues. */
  dropCommits(): void {
    const dropped = this.#waiting.filter(({ point }) => point !== null)
    this.#waiting = this.#waiting.filter(({ point }) => point === null)
    for (const set of dropped) {
      this.forget(set.appended)
      set.reject(commitDropped())
    }
  }

  /** Takes records that will never be durable out of the count of pending bytes. */
  forget(appended: readonly Appended[]): void {
    for (const { record } of appended) this.#pendingBytes -= record.bytes
  }

  /** Writes all waiting records and commits, then closes. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelRepair()
    if (this.#sent.length > 0) this.#start()
    while (this.#running !== null) await this.#running
  }

  // ── One cycle ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #start(): void {
    if (this.#running !== null) return
    // The cycle starts after this turn of the event loop, so that all commits of this turn share the cycle.
    this.#running = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#run())
      .finally(() => {
        this.#running = null
        if (this.#waiting.length > 0 || this.#sent.some(({ durable }) => durable)) this.#start()
      })
  }

  async #run(): Promise<void> {
    const { disk, segments, uses, mark, storeIds } = this.#options
    const sets = this.#takeWaiting()
    try {
      await disk.repair()
      for (const { appended } of sets) for (const one of appended) this.#putAhead(one)
      await writeCommit(sets, { rocks: disk.rocks, segments, uses, mark, storeIds, writer: this.#writer })
      storeIds.saved()
    } catch (error) {
      this.#fail(sets, error)
      return
    }
    const touched = new Set<Partition>()
    for (const { appended } of sets) {
      for (const { partition, record } of appended) {
        record.durable = true
        this.#pendingBytes -= record.bytes
        touched.add(partition)
      }
    }
    this.#options.tails.update(touched)
    for (const partition of touched) partition.notify()
    for (const set of sets) set.resolve()
  }

  #takeWaiting(): readonly PendingCommit[] {
    const sent = this.#sent
    const waiting = this.#waiting
    this.#sent = []
    this.#waiting = []
    if (sent.length === 0) return waiting
    const set: PendingCommit = {
      appended: sent,
      group: '',
      point: null,
      resolve: () => {
        for (const one of sent) one.resolve()
      },
      reject: (error) => {
        for (const one of sent) one.reject(error)
      },
    }
    return [set, ...waiting]
  }

  #fail(sets: readonly PendingCommit[], error: unknown): void {
    this.#break(error)
    this.#options.storeIds.dropUnsaved()
    const failed = new Set<TailRecord>()
    const touched = new Set<Partition>()
    for (const { appended } of sets) {
      for (const { partition, record } of appended) {
        failed.add(record)
        touched.add(partition)
      }
      this.forget(appended)
    }
    const isRead = [...touched].some((partition) => partition.isRead((record) => failed.has(record)))
    for (const partition of touched) partition.remove((record) => failed.has(record))
    for (const set of sets) set.reject(error)
    if (isRead) this.#options.onReadDropped()
  }

  #break(error: unknown): void {
    const { disk, clock } = this.#options
    disk.break(error)
    this.#cancelRepair()
    // A timer starts the repair, because readers have no database until then, and the next write may come much later.
    if (!this.#isClosed) this.#cancelRepair = clock.after(repairMs, () => this.#start())
  }

  // ── Large payloads ────────────────────────────────────────────────────────────────────────────────────────────────────

  #putAheadSoon(appended: Appended): void {
    this.#large.push(appended)
    if (this.#large.length > 1) return
    setImmediate(() => {
      const large = this.#large
      this.#large = []
      for (const one of large) {
        if (!one.record.durable && !one.record.dropped) this.#putAhead(one)
      }
    })
  }

  /** Writes a large payload to a segment before its commit, so that the commit waits only for the write-ahead log. */
  #putAhead({ record }: Appended): void {
    if (record.ref !== null && this.#segments.has(record.ref)) return
    record.ref = null
    const { value } = record
    if (value === null || valueBytes(value) <= inlineBytes) return
    record.ref = this.#segments.append(bytesIn(value))
  }
}

/** Payloads above this size are written to segments. */
const inlineBytes = 16 * 1024
const repairMs = 500
