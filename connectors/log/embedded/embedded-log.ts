import type {
  Clock,
  Consumer,
  Log,
  LogStorage,
  LogTraits,
  Position,
  Producer,
  Reader,
  ReadOptions,
  StateDisk,
  Subscription,
  TaskProducer,
  TopicInfo,
  TopicPartition,
  TopicSpec,
} from '../../../processor/ports.ts'
import { closedLog } from './closed-log.ts'
import { CommitCycle } from './commit-cycle.ts'
import type { CommitMark } from './commit-mark.ts'
import { DiskUsage } from './disk-usage.ts'
import { GroupConsumer } from './group-consumer.ts'
import { Groups } from './groups.ts'
import { positionsIn } from './keys.ts'
import { type Borrower, LentDisk } from './lent-disk.ts'
import { type OpenedDirectory, openLogDirectory } from './log-directory.ts'
import { snapshotLog } from './log-snapshot.ts'
import type { ReadPartition } from './partition.ts'
import { PartitionReader } from './partition-reader.ts'
import { Positions } from './positions.ts'
import { removeHoldings } from './removal.ts'
import { Retention } from './retention.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { Segments } from './segments.ts'
import { StoreIds } from './store-ids.ts'
import { StoredState } from './stored-state.ts'
import { EmbeddedTaskProducer } from './task-producer.ts'
import { Topics } from './topics.ts'
import { UnreadTails } from './unread-tails.ts'

export interface EmbeddedLogOptions {
  /** The log's directory, created if missing. Only one process at a time may use it. */
  readonly directory: string
  readonly clock: Clock
  /** The most bytes of durable records that stay in memory for slow readers. All partitions share this limit. Default: 32 MiB. */
  readonly maxTailBytes?: number
  /** The most bytes that may wait to be written. Above this limit, gateways refuse requests. */
  readonly maxPendingBytes?: number
  /**
   * The most bytes of the log's files. Above this limit, `storage.refusal` gives a reason to refuse requests while a reader is behind. Null: four
   * fifths of the disk's size.
   */
  readonly maxBytes?: number | null
  /** True: a damaged directory is opened with the records that remain, and `onNotice` gets the losses. */
  readonly acceptLoss?: boolean
  /** True if the data directory records that a log was made here. A log that is missing then counts as damage. */
  readonly wasMade?: boolean
  readonly onNotice?: (notice: string) => void
}

/** The topics, groups and applications that `EmbeddedLog.remove` deletes. */
export interface RemovedHoldings {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  /** Ids of the applications whose stores are deleted. */
  readonly applications: readonly string[]
}

/**
 * The log of one process: topics, positions and state in one database. All waiting commits share one atomic write and one sync (group commit).
 * Readers in this process get records before the commit.
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
  const { directory, acceptLoss = false, wasMade = false, onNotice = () => {} } = options
  return new EmbeddedLog(options, await openLogDirectory({ directory, acceptLoss, wasMade, onNotice }))
}

export class EmbeddedLog implements Log {
  readonly traits: LogTraits = { atomicCommit: true, repeatsRecords: false, handsOn: true }
  readonly state: StateDisk
  readonly #clock: Clock
  readonly #directory: string
  readonly #maxPendingBytes: number
  readonly #groups = new Groups()
  readonly #readers = new Set<PartitionReader>()
  readonly #taskProducers = new Set<EmbeddedTaskProducer>()
  readonly #disk: LentDisk
  readonly #segments: Segments
  readonly #mark: CommitMark
  readonly #topics: Topics
  readonly #storeIds: StoreIds
  readonly #uses: SegmentUses
  readonly #positions: Positions
  readonly #cycle: CommitCycle
  readonly #retention: Retention
  readonly #usage: DiskUsage
  readonly #read: ReadPartition
  #closed = false

  constructor(options: EmbeddedLogOptions, { disk: rocks, segments, uses, mark }: OpenedDirectory) {
    const { clock, directory } = options
    const disk = new LentDisk(rocks)
    const topics = new Topics({ directory, disk, mark })
    const storeIds = new StoreIds(rocks)
    this.#storeIds = storeIds
    this.#uses = uses
    const tails = new UnreadTails(options.maxTailBytes ?? 32 * 1024 * 1024)
    const onReadDropped = () => void this.#abortAll()
    const cycle = new CommitCycle({ clock, disk, segments, uses, mark, topics, tails, storeIds, onReadDropped })
    this.#clock = clock
    this.#directory = directory
    this.#maxPendingBytes = options.maxPendingBytes ?? 256 * 1024 * 1024
    this.#disk = disk
    this.#segments = segments
    this.#mark = mark
    this.#topics = topics
    this.#positions = new Positions(disk, cycle)
    this.#cycle = cycle
    this.#read = (partition, offset, end, limit, skipsLarge = false) => partition.read(offset, end, limit, disk.rocks, skipsLarge ? null : segments)
    this.state = new StoredState({
      migrate: (state) => cycle.commit('', [], { positions: [], state }),
      mayClear: true,
      disk: () => disk.rocks,
      numberOf: (task, store) => storeIds.find(task, store),
    })
    const { maxBytes = null, onNotice = () => {} } = options
    const common = { clock, onNotice, mark, groups: this.#groups, topics: () => topics.all(), disk }
    const retention = new Retention({ ...common, segments, uses, cycle })
    this.#retention = retention
    this.#usage = new DiskUsage({ ...common, directory, maxBytes, onMeasured: (measured) => retention.measured(measured) })
    this.#usage.start()
    this.#retention.start()
  }

  get load(): { readonly pendingBytes: number; readonly maxPendingBytes: number } {
    return { pendingBytes: this.#cycle.pendingBytes, maxPendingBytes: this.#maxPendingBytes }
  }

  get storage(): LogStorage {
    return this.#usage.storage
  }

  // ── Topics ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    if (!(await this.#topics.create(specs, this.#cycle))) return
    for (const group of this.#groups.all) group.changed()
  }

  async topic(name: string): Promise<TopicInfo | null> {
    return this.#topics.describe(name)
  }

  async topics(): Promise<readonly string[]> {
    return this.#topics.names()
  }

  /**
   * Deletes records before these offsets, even unread ones, in whole runs. The caller must know that nobody needs them. Does nothing while the
   * database cannot be written.
   */
  async deleteBefore(ends: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    await this.#cycle.settled()
    if (this.#disk.writable !== null) await this.#cycle.change((rocks) => this.#topics.deletionBefore(ends, rocks))
  }

  // ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  async subscribe(subscription: Subscription): Promise<Consumer> {
    const group = this.#groups.open(subscription.group)
    const consumer = new GroupConsumer({
      clock: this.#clock,
      group,
      subscription,
      topics: this.#topics,
      positions: this.#positions,
      read: this.#read,
    })
    group.join(consumer)
    return consumer
  }

  read(options: ReadOptions): Reader {
    const partition = this.#topics.partition(options.topic, options.partition)
    const reader = new PartitionReader(this.#read, partition, options, (closed) => void this.#readers.delete(closed))
    if (this.#closed) reader.fail(closedLog())
    else this.#readers.add(reader)
    return reader
  }

  async offsetAt({ topic, partition }: TopicPartition, timestamp: number): Promise<number> {
    return this.#topics.partition(topic, partition).offsetAt(timestamp, this.#disk.rocks)
  }

  /** The committed position; null if the group has none in this partition. */
  position(group: string, topic: string, partition: number): Position | null {
    return this.#positions.find(group, topic, partition)
  }

  hasPositions(group: string): boolean {
    return this.#positions.has(group)
  }

  /** Sets the position of a group that is not running. */
  rewind(group: string, position: TopicPartition & { readonly offset: number }): Promise<void> {
    return this.#positions.move(group, position)
  }

  /** The groups that have a position, and the applications that have a store. */
  holdings(): { readonly groups: readonly string[]; readonly applications: readonly string[] } {
    const groups = new Set(Array.from(positionsIn(this.#disk.rocks), ({ group }) => group))
    return { groups: [...groups], applications: this.#storeIds.applications() }
  }

  /** The stores of an application, by the names of their tasks. */
  storesOf(application: string): ReturnType<StoreIds['stores']> {
    return this.#storeIds.stores(application)
  }

  /** All positions of a group. */
  positionsOf(group: string): readonly (TopicPartition & Position)[] {
    return Array.from(positionsIn(this.#disk.rocks)).flatMap(({ group: of, topic, partition }) => {
      const position = of === group ? this.#positions.find(group, topic, partition) : null
      return position === null ? [] : [{ topic, partition, ...position }]
    })
  }

  /** The groups that have a position in this topic. */
  readersOf(topic: string): readonly string[] {
    return [...new Set(Array.from(positionsIn(this.#disk.rocks), (one) => (one.topic === topic ? one.group : null)))].filter(
      (group) => group !== null,
    )
  }

  /**
   * Deletes topics, positions and stores. Their swarms and programs must not be running. A second call finishes a removal that a crash interrupted.
   */
  async remove({ topics: names, groups, applications }: RemovedHoldings): Promise<void> {
    const topics = this.#topics.named(names)
    await removeHoldings(
      { topics, groups, applications },
      {
        cycle: this.#cycle,
        disk: this.#disk,
        uses: this.#uses,
        mark: this.#mark,
        storeIds: this.#storeIds,
        onRemoved: () => this.#topics.forget(names),
      },
    )
    this.#topics.save()
    this.#mark.write(this.#disk.rocks.sequence)
  }

  /** Deletes the positions of a group that is not running. Afterwards retention may delete records that the group has not read. */
  forgetPositions(group: string): Promise<void> {
    return this.#positions.delete(group)
  }

  // ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  async taskProducer({ group, consumers = () => [] }: Parameters<Log['taskProducer']>[0]): Promise<TaskProducer> {
    const producer = new EmbeddedTaskProducer({
      group,
      cycle: this.#cycle,
      isOutdated: () => consumers().some((consumer) => consumer instanceof GroupConsumer && consumer.hasLost),
      onAbort: () => this.#abortAll(),
      onClosed: (closed) => void this.#taskProducers.delete(closed),
    })
    this.#taskProducers.add(producer)
    return producer
  }

  async producer(): Promise<Producer> {
    return {
      send: (record, { durable = true } = {}) => this.#cycle.send(record, durable),
      close: async () => {},
    }
  }

  /**
   * Settles when all records up to now are durable. A reader may see a record before the record is synced. If the sync fails, the log takes the
   * record back.
   */
  durable(): Promise<void> {
    return this.#cycle.durable()
  }

  /** Aborts all open commits. Restarts the consumers that read uncommitted records, because they may have read records that are dropped. */
  async #abortAll(): Promise<void> {
    this.#cycle.dropCommits()
    await this.#cycle.settled()
    // Commits that arrived during the wait may depend on dropped records, so they are dropped too.
    this.#cycle.dropCommits()
    for (const producer of this.#taskProducers) this.#cycle.forget(producer.takeOpen())
    for (const { partitions } of this.#topics.all()) for (const partition of partitions) partition.remove(({ owner }) => owner !== null)
    for (const group of this.#groups.all) for (const member of group.members) if (member.isHanded) member.lose()
  }

  /** Writes a second log directory with everything that is committed now. Each commit is in the directory as a whole or not at all. */
  async snapshot(into: string): Promise<void> {
    await this.#cycle.sync()
    await this.#cycle.change(() => {
      snapshotLog(this.#directory, into)
      return { rows: [], apply() {} }
    })
  }

  // ── Lending and the end ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Lends the database to another JavaScript thread of this process. With `openLentState`, that thread reads state from the database. Throws
   * WAGGLE_CLOSED.
   */
  lend(borrower: Borrower): Promise<{ readonly handle: bigint; giveBack(): void }> {
    return this.#disk.lend(borrower)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const reader of this.#readers) reader.fail(closedLog())
    this.#disk.refuseLending()
    this.#usage.close()
    this.#retention.close()
    await this.#cycle.close()
    await this.#disk.endBorrowers()
    await this.#segments.close()
    await this.#disk.close()
    this.#mark.close()
  }
}
