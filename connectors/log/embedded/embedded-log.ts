import {
  type Clock,
  type CommitPoint,
  type CommitReceipt,
  type Consumer,
  Handed,
  type Log,
  type LogRecord,
  type LogStorage,
  type LogTraits,
  type Position,
  type Producer,
  type ProducerRecord,
  type Reader,
  type ReadOptions,
  type StateDisk,
  type Subscription,
  type TaskProducer,
  type TopicInfo,
  type TopicPartition,
  type TopicSpec,
  valueBytes,
} from '../../../processor/ports.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { Rocks, type RocksChange } from '../../rocksdb/rocks.ts'
import { type Appended, type CommitSet, commitTogether, endsBytes, inlineBytes, positionBytes, writeError } from './commit-cycle.ts'
import type { CommitMark } from './commit-mark.ts'
import { Group, GroupConsumer } from './group-consumer.ts'
import { HeldTails } from './held-tails.ts'
import { endsKey, positionKey, positionsOf, prefix, runKey, storeNumberKey, topicKey } from './keys.ts'
import { endsOf, type OpenedDirectory, openLogDirectory, storedTopics, writeTopics } from './log-directory.ts'
import { Partition, type TailRecord } from './partition.ts'
import { PartitionReader } from './partition-reader.ts'
import { Retention } from './retention.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { Segments } from './segments.ts'
import { StoredState } from './stored-state.ts'

export interface EmbeddedLogOptions {
  /** Made when it is missing; one process at a time. */
  readonly directory: string
  readonly clock: Clock
  /** Bytes of durable records that stay in memory for readers that have not come to them, over all partitions. Default: 32 MiB. */
  readonly maxTailBytes?: number
  /** Bytes that may wait to be written before gateways are told to refuse. */
  readonly maxPendingBytes?: number
  /** Bytes that the log's files may take; past it, with a reader that is behind, `storage.refusal` says so. Null: four fifths of the disk. */
  readonly maxBytes?: number | null
  /** Goes on with what is left of a damaged directory, and tells `onNotice` what is gone. */
  readonly acceptLoss?: boolean
  /** The data directory says that a log was made here: one that is gone is damage. */
  readonly wasMade?: boolean
  /** Told what somebody should know who looks after the process. */
  readonly onNotice?: (notice: string) => void
}

/**
 * The log of one process: topics, positions and state in one database, so that a commit of all of them is one atomic write
 * and one sync, shared by everything that waits for one (group commit). Records are handed to this process's readers before.
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
  const { directory, acceptLoss = false, wasMade = false, onNotice = () => {} } = options
  return new EmbeddedLog(options, await openLogDirectory({ directory, acceptLoss, wasMade, onNotice }))
}

/** Another JavaScript thread that reads the database of this one. */
export interface Borrower {
  /** Settles when its thread has ended. What it had not committed is lost. */
  end(): Promise<void>
}

interface Topic {
  readonly spec: TopicSpec
  readonly number: number
  readonly partitions: readonly Partition[]
}

export class EmbeddedLog implements Log {
  readonly traits: LogTraits = { atomicCommit: true, repeatsRecords: false, handsOn: true }
  readonly #clock: Clock
  readonly #tails: HeldTails
  readonly #maxPendingBytes: number
  readonly #topics = new Map<string, Topic>()
  readonly #groups = new Map<string, Group>()
  readonly #taskProducers = new Set<EmbeddedTaskProducer>()
  readonly #readers = new Set<PartitionReader>()
  readonly #storeNumbers = new Map<string, number>()
  readonly #borrowers = new Set<Borrower>()
  readonly #segments: Segments
  readonly #uses: SegmentUses
  readonly #mark: CommitMark
  readonly #retention: Retention
  readonly #directory: string
  #disk: Rocks
  #waiting: CommitSet[] = []
  /** Records of plain producers that no cycle has taken yet. */
  #loose: (Appended & { readonly durable: boolean; resolve(): void; reject(error: unknown): void })[] = []
  #ahead: Appended[] = []
  #unsavedStores: string[] = []
  #pendingBytes = 0
  #cycle: Promise<void> | null = null
  #making: Promise<void> = Promise.resolve()
  /** Why the last write failed; null where it did not, and once the database is repaired. */
  #broken: WaggleError | null = null
  #untilRepaired = Promise.withResolvers<void>()
  #closed = false
  #cancelRepair = () => {}

  constructor(options: EmbeddedLogOptions, { disk, segments, uses, mark }: OpenedDirectory) {
    this.#clock = options.clock
    this.#tails = new HeldTails(options.maxTailBytes ?? 32 * 1024 * 1024)
    this.#maxPendingBytes = options.maxPendingBytes ?? 256 * 1024 * 1024
    this.#directory = options.directory
    this.#disk = disk
    this.#segments = segments
    this.#uses = uses
    this.#mark = mark
    this.#load()
    this.#retention = new Retention({
      directory: options.directory,
      clock: options.clock,
      maxBytes: options.maxBytes ?? null,
      onNotice: options.onNotice ?? (() => {}),
      segments,
      uses,
      mark,
      groups: this.#groups,
      topics: () => this.#topics.values(),
      disk: () => (this.#closed || this.#broken !== null ? null : this.#disk),
      settled: async () => this.#cycle?.catch(() => {}),
    })
    this.#retention.start()
  }

  get load(): { readonly pendingBytes: number; readonly maxPendingBytes: number } {
    return { pendingBytes: this.#pendingBytes, maxPendingBytes: this.#maxPendingBytes }
  }

  get storage(): LogStorage {
    return this.#retention.storage
  }

  readonly state: StateDisk = new StoredState({
    mayClear: true,
    disk: () => this.#disk,
    numberOf: (task, store) => this.#storeNumbers.get(`${task}\0${store}`) ?? null,
  })

  // ── Topics ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One after the other: two that want the same topic at once must get the same one. */
  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    const made = this.#making.then(() => this.#createTopics(specs))
    this.#making = made.catch(() => {})
    return made
  }

  async #createTopics(specs: readonly TopicSpec[]): Promise<void> {
    const changes: RocksChange[] = []
    const made: Topic[] = []
    for (const spec of specs) {
      const there = this.#topics.get(spec.name)
      if (there === undefined) {
        const topic = this.#topic(spec, this.#topics.size + made.length + 1)
        made.push(topic)
        changes.push([topicKey(spec.name), Buffer.from(JSON.stringify({ ...spec, number: topic.number }))])
      } else if (there.spec.partitions !== spec.partitions) {
        throw new WaggleError('WAGGLE_TOPIC_MISMATCH', {
          message: `The topic ${spec.name} has ${there.spec.partitions} partitions, where ${spec.partitions} are wanted`,
          next: `Set WAGGLE_PARTITIONS=${there.spec.partitions}, or start with another data directory.`,
        })
      }
    }
    if (changes.length === 0) return
    this.#disk.write(changes)
    const { sequence } = this.#disk
    await this.#disk.sync()
    writeTopics(this.#directory, storedTopics(this.#disk))
    this.#mark.write(sequence)
    for (const topic of made) this.#topics.set(topic.spec.name, topic)
    for (const group of this.#groups.values()) group.changed()
  }

  async topic(name: string): Promise<TopicInfo | null> {
    const topic = this.#topics.get(name)
    return topic === undefined ? null : { ...topic.spec, offsets: topic.partitions.map(({ start, durableEnd }) => ({ start, end: durableEnd })) }
  }

  async topics(): Promise<readonly string[]> {
    return [...this.#topics.keys()]
  }

  partitionsOf(topics: readonly string[]): readonly Partition[] {
    return topics.flatMap((name) => this.#topics.get(name)?.partitions ?? [])
  }

  // ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  async subscribe(subscription: Subscription): Promise<Consumer> {
    const group = this.#groups.get(subscription.group) ?? new Group(subscription.group)
    this.#groups.set(subscription.group, group)
    const consumer = new GroupConsumer(this, this.#clock, group, subscription)
    group.members.push(consumer)
    group.changed()
    return consumer
  }

  read(options: ReadOptions): Reader {
    const reader = new PartitionReader(
      this,
      this.#partition(options.topic, options.partition),
      options,
      (closed) => void this.#readers.delete(closed),
    )
    if (this.#closed) reader.fail(closedLog())
    else this.#readers.add(reader)
    return reader
  }

  /** By whole runs, whoever has read them: its caller answers for that. Payloads in segments go with their file, when nothing names it any more. */
  async deleteBefore(places: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    await this.#cycle?.catch(() => {})
    if (this.#closed || this.#broken !== null) return
    const first = new Map<Partition, number>()
    for (const { topic, partition: number, offset } of places) {
      const partition = this.#partition(topic, number)
      const from = partition.firstOfRun(Math.min(offset, partition.durableEnd), this.#disk)
      if (from > partition.start) first.set(partition, from)
    }
    if (first.size === 0) return
    // What is before the start is not read: whatever a crash leaves there goes the next time.
    this.#disk.write([...first].map(([{ topicNumber, number, durableEnd }, from]) => [endsKey(topicNumber, number), endsBytes(from, durableEnd)]))
    for (const [partition, from] of first) {
      const { topicNumber, number } = partition
      partition.start = from
      this.#disk.clear(runKey(topicNumber, number, 0), runKey(topicNumber, number, from))
    }
  }

  readPartition(partition: Partition, offset: number, end: number, limit: number): readonly LogRecord[] {
    return partition.read(offset, end, limit, this.#disk, this.#segments)
  }

  position(group: string, topic: string, partition: number): Position | null {
    const bytes = this.#disk.get(positionKey(group, topic, partition))
    if (bytes === null) return null
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return { offset: buffer.readDoubleBE(), metadata: buffer.toString('utf8', 8) }
  }

  hasPositions(group: string): boolean {
    for (const _ of this.#disk.range(...positionsOf(group), { values: false })) return true
    return false
  }

  /** A group reads again from here on. It must not run. */
  async rewind(group: string, { topic, partition, offset }: TopicPartition & { readonly offset: number }): Promise<void> {
    this.#disk.write([[positionKey(group, topic, partition), positionBytes(offset, '')]])
    await this.#disk.sync()
  }

  /** Gives up what a group has not read. It must not run. */
  async forgetPositions(group: string): Promise<void> {
    this.#disk.write([...this.#disk.range(...positionsOf(group))].map(([key]) => [key, null]))
    await this.#disk.sync()
  }

  // ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  async taskProducer({ group }: { readonly group: string }): Promise<TaskProducer> {
    const producer = new EmbeddedTaskProducer(this, group)
    this.#taskProducers.add(producer)
    return producer
  }

  async producer(): Promise<Producer> {
    return {
      send: (record, { durable = true } = {}) => this.#send(record, durable),
      close: async () => {},
    }
  }

  append(record: ProducerRecord, owner: EmbeddedTaskProducer | null): Appended {
    const partition = this.#partition(record.topic, record.partition)
    const appended = { partition, record: partition.append(record, owner) }
    this.#pendingBytes += appended.record.bytes
    if (valueBytes(record.value) > inlineBytes) this.#putAheadSoon(appended)
    partition.notify()
    return appended
  }

  commit(producer: EmbeddedTaskProducer, appended: readonly Appended[], point: CommitPoint): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ appended, group: producer.group, point, resolve, reject })
      this.#startCycle()
    })
  }

  /** What one producer drops others may have built on: the open commits of all go, and all handed consumers start again. */
  async abortAll(): Promise<void> {
    this.#dropWaiting()
    await this.#cycle?.catch(() => {})
    // What others have committed meanwhile may stand on what goes.
    this.#dropWaiting()
    for (const producer of this.#taskProducers) {
      for (const { record } of producer.takeOpen()) this.#pendingBytes -= record.bytes
    }
    for (const { partitions } of this.#topics.values()) for (const partition of partitions) partition.remove(({ owner }) => owner !== null)
    for (const group of this.#groups.values()) for (const member of group.members) if (member.isHanded) member.lose()
  }

  #dropWaiting(): void {
    const dropped = this.#waiting.filter(({ point }) => point !== null)
    this.#waiting = this.#waiting.filter(({ point }) => point === null)
    for (const set of dropped) {
      for (const { record } of set.appended) this.#pendingBytes -= record.bytes
      set.reject(commitDropped())
    }
  }

  /** A write can be read before it is synced, and it may be taken back where the sync fails. */
  async durable(): Promise<void> {
    await this.#cycle
    if (this.#closed) throw closedLog()
    if (this.#broken !== null) throw this.#broken
    if (this.#cycle === null && this.#loose.length === 0 && this.#waiting.length === 0) return
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ appended: [], group: '', point: null, resolve, reject })
      this.#startCycle()
    })
  }

  forget(producer: EmbeddedTaskProducer): void {
    this.#taskProducers.delete(producer)
  }

  async close(): Promise<void> {
    this.#closed = true
    // What they were to read to its end is not read.
    for (const reader of this.#readers) reader.fail(closedLog())
    this.#untilRepaired.resolve()
    this.#retention.close()
    this.#cancelRepair()
    if (this.#loose.length > 0) this.#startCycle()
    while (this.#cycle !== null) await this.#cycle
    await this.#endBorrowers()
    await this.#segments.close()
    await this.#disk.close()
    this.#mark.close()
  }

  #send(record: ProducerRecord, durable: boolean): Promise<{ readonly offset: number }> {
    if (this.#closed) return Promise.reject(closedLog())
    const appended = this.append(record, null)
    return new Promise((resolve, reject) => {
      this.#loose.push({ ...appended, durable, resolve: () => resolve({ offset: appended.record.offset }), reject })
      if (durable) this.#startCycle()
    })
  }

  /** One cycle at a time: what comes while one is synced shares the next. */
  #startCycle(): void {
    if (this.#cycle !== null) return
    // Everything that this turn of the event loop has to commit goes together.
    this.#cycle = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#runCycle())
      .finally(() => {
        this.#cycle = null
        if (this.#waiting.length > 0 || this.#loose.some(({ durable }) => durable)) this.#startCycle()
      })
  }

  async #runCycle(): Promise<void> {
    const loose = this.#loose
    let sets: readonly CommitSet[] = this.#waiting
    this.#loose = []
    this.#waiting = []
    if (loose.length > 0) {
      const set = {
        appended: loose,
        group: '',
        point: null,
        resolve: () => {
          for (const one of loose) one.resolve()
        },
        reject: (error) => {
          for (const one of loose) one.reject(error)
        },
      } satisfies CommitSet
      sets = [set, ...sets]
    }
    try {
      await this.#repair()
      for (const { appended } of sets) for (const one of appended) this.#putAhead(one)
      await commitTogether(sets, {
        disk: this.#disk,
        segments: this.#segments,
        uses: this.#uses,
        mark: this.#mark,
        storeNumber: (task, store, changes) => this.#storeNumber(task, store, changes),
      })
      this.#unsavedStores = []
    } catch (error) {
      this.#broken = WaggleError.from('WAGGLE_LOG_WRITE_FAILED', error, { next: 'See that the disk is healthy and writable.' })
      for (const name of this.#unsavedStores) this.#storeNumbers.delete(name)
      this.#unsavedStores = []
      this.#cycleFailed(sets, error)
      this.#cancelRepair()
      // Readers have nothing to read from until it is repaired, and may be all that there is.
      if (!this.#closed) this.#cancelRepair = this.#clock.after(repairMs, () => this.#startCycle())
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
    this.#tails.settle(touched)
    for (const partition of touched) partition.notify()
    for (const set of sets) set.resolve()
  }

  #cycleFailed(sets: readonly CommitSet[], error: unknown): void {
    const failed = new Set<TailRecord>()
    for (const { appended } of sets) {
      for (const { record } of appended) {
        failed.add(record)
        this.#pendingBytes -= record.bytes
      }
    }
    for (const partition of new Set(sets.flatMap(({ appended }) => appended.map((one) => one.partition))))
      partition.remove((record) => failed.has(record))
    for (const set of sets) set.reject(error)
  }

  /** After a failed write RocksDB takes no more until it is opened again. */
  async #repair(): Promise<void> {
    if (this.#broken === null) return
    const { directory } = this.#disk
    await this.#endBorrowers()
    await this.#disk.close()
    try {
      this.#disk = await Rocks.open(directory)
    } catch (thrown) {
      throw writeError(directory, thrown)
    }
    this.#broken = null
    this.#untilRepaired.resolve()
    this.#untilRepaired = Promise.withResolvers()
  }

  // ── Lending ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The database for another JavaScript thread of this process to read state from (`openLentState`). One that is closed while a
   * thread has it would end the process, so the borrower is ended before it is closed, and before it is repaired.
   */
  async lend(borrower: Borrower): Promise<{ readonly handle: bigint; giveBack(): void }> {
    while (this.#broken !== null && !this.#closed) await this.#untilRepaired.promise
    if (this.#closed) throw closedLog()
    this.#borrowers.add(borrower)
    return { handle: this.#disk.handle, giveBack: () => void this.#borrowers.delete(borrower) }
  }

  async #endBorrowers(): Promise<void> {
    for (const borrower of this.#borrowers) await borrower.end()
    this.#borrowers.clear()
  }

  #putAheadSoon(appended: Appended): void {
    this.#ahead.push(appended)
    if (this.#ahead.length > 1) return
    setImmediate(() => {
      const ahead = this.#ahead
      this.#ahead = []
      for (const one of ahead) {
        if (!one.record.durable && !one.record.dropped) this.#putAhead(one)
      }
    })
  }

  /** Large payloads go to segments ahead of the commit, so that it has only the write-ahead log to wait for. */
  #putAhead({ record }: Appended): void {
    if (record.ref !== null && !this.#segments.isLost(record.ref)) return
    record.ref = null
    const { value } = record
    if (value === null || valueBytes(value) <= inlineBytes) return
    record.ref = this.#segments.append(value instanceof Handed ? value.bytes : value)
  }

  #storeNumber(task: string, store: string, changes: RocksChange[]): number {
    const name = `${task}\0${store}`
    const there = this.#storeNumbers.get(name)
    if (there !== undefined) return there
    const number = this.#storeNumbers.size + 1
    this.#storeNumbers.set(name, number)
    this.#unsavedStores.push(name)
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(number)
    changes.push([storeNumberKey(task, store), bytes])
    return number
  }

  // ── Keeping ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #load(): void {
    for (const { number, ...spec } of storedTopics(this.#disk)) this.#topics.set(spec.name, this.#topic(spec, number))
    for (const [key, value] of this.#disk.range(Uint8Array.of(prefix.storeNumber), Uint8Array.of(prefix.storeNumber + 1))) {
      this.#storeNumbers.set(Buffer.from(key.subarray(1)).toString(), Buffer.from(value).readUInt32BE())
    }
  }

  #topic(spec: TopicSpec, number: number): Topic {
    const partitions = Array.from({ length: spec.partitions }, (_, partition) => {
      return new Partition(spec.name, number, partition, endsOf(this.#disk.get(endsKey(number, partition))))
    })
    return { spec, number, partitions }
  }

  #partition(topic: string, partition: number): Partition {
    const found = this.#topics.get(topic)?.partitions[partition]
    if (found === undefined)
      throw new WaggleError('WAGGLE_MISSING_TOPIC', {
        message: `There is no partition ${partition} of ${topic}`,
        next: 'Create the topic, or correct its name.',
      })
    return found
  }
}

/** Appends and commits for one stream thread. */
export class EmbeddedTaskProducer implements TaskProducer {
  readonly group: string
  readonly #log: EmbeddedLog
  #open: Appended[] = []

  constructor(log: EmbeddedLog, group: string) {
    this.#log = log
    this.group = group
  }

  append(record: ProducerRecord): void {
    this.#open.push(this.#log.append(record, this))
  }

  async commit(point: CommitPoint): Promise<CommitReceipt> {
    await this.#log.commit(this, this.takeOpen(), point)
    return { ends: [] }
  }

  abort(): Promise<void> {
    return this.#log.abortAll()
  }

  async close(): Promise<void> {
    this.#log.forget(this)
  }

  takeOpen(): readonly Appended[] {
    const open = this.#open
    this.#open = []
    return open
  }
}

function closedLog(): WaggleError {
  return new WaggleError('WAGGLE_CLOSED', { message: 'The log is closed', next: 'Start Waggle again.' })
}

function commitDropped(): WaggleError {
  return new WaggleError('WAGGLE_COMMIT_DROPPED', {
    message: 'Another application of this process went back to its last commit',
    next: 'Nothing: the records are done again.',
  })
}

/** How soon a database that could not be written is tried again. */
const repairMs = 500
