/**
 * Ports: the engine reaches time, randomness, disks and sockets only through these interfaces, so one seed gives one history. Kafka, the embedded log
 * and the simulated log implement `Log`.
 */
import type { Header } from '../topology/record.ts'
import type { Serializer } from '../topology/serde.ts'
import type { TopicSpec } from '../topology/topic.ts'
import type { WaggleError } from '../topology/waggle-error.ts'

export type { TopicSpec }

export interface Clock {
  /** The wall clock in epoch milliseconds. */
  now(): number
  /** Monotonic milliseconds with fractions, for durations. */
  elapsedMs(): number
  /** Calls `callback` once, after `delayMs`. The returned function cancels the call. */
  after(delayMs: number, callback: () => void): () => void
}

export interface Random {
  /** A number that is uniform in [0, 1). */
  next(): number
  bytes(count: number): Uint8Array
}

// ── Topics and records ──────────────────────────────────────────────────────────────────────────────────────────────────

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** The name of a partition as a key of maps. */
export function partitionName({ topic, partition }: TopicPartition): string {
  return `${partition} ${topic}`
}

/**
 * A value that is handed to its reader in memory, with its bytes. The constructor serialises the value once. A value that its serde cannot write
 * therefore fails in the node that sends it, and not in a commit of many records. A reader takes `value` only if it has the same serde.
 */
export class Handed {
  readonly value: unknown
  readonly serde: object
  readonly bytes: Uint8Array

  constructor(topic: string, value: unknown, serde: Serializer<never>, headers: readonly Header[]) {
    this.value = value
    this.serde = serde
    this.bytes = (serde as Serializer<unknown>).serialize(topic, value, headers)
  }
}

/** A value whose stored bytes are damaged. Its record can be skipped. A read of the value throws `error`. */
export class DamagedValue {
  readonly error: WaggleError

  constructor(error: WaggleError) {
    this.error = error
  }
}

/** The value of a record that is written: bytes, or a value that is handed on in memory. */
export type SentValue = Uint8Array | Handed

/** The value of a record that is read. */
export type RecordValue = SentValue | DamagedValue

/** The bytes of a record's value; null without a value. Throws the error of a damaged value. */
export function bytesIn(value: RecordValue): Uint8Array
export function bytesIn(value: RecordValue | null): Uint8Array | null
export function bytesIn(value: RecordValue | null): Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value
  if (value instanceof DamagedValue) throw value.error
  return value.bytes
}

/** The size of a record's value in bytes; 0 without a value, and for a damaged value. */
export function valueBytes(value: RecordValue | null): number {
  return value === null || value instanceof DamagedValue ? 0 : bytesIn(value).length
}

/**
 * The approximate memory of a record: its objects, and its payload twice, because most payloads are held as a value and as bytes. If only payloads
 * counted, small records could take thirty times the limit.
 */
export function recordMemory({ key, value, headers }: Pick<LogRecord, 'key' | 'value' | 'headers'>): number {
  let bytes = objectBytes + (key === null ? 0 : key.length) + 2 * valueBytes(value)
  for (const header of headers) bytes += headerBytes + (header.value === null ? 0 : header.value.length)
  return bytes
}

/**
 * The memory of one record's objects. The number includes a share of the 64 KiB blocks that small buffers are cut from, because one live buffer keeps
 * a whole block.
 */
export const objectBytes = 3072
const headerBytes = 192

/** A record in the log. Offsets grow within a partition, with gaps from aborted commits. */
export interface LogRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: RecordValue | null
  readonly headers: readonly Header[]
}

export interface RecordRun extends TopicPartition {
  readonly records: readonly LogRecord[]
}

/**
 * A gap of deleted records: the reader continues at `to` instead of `from`. If `to` is before `from`, the topic was created again or truncated, and
 * the number of lost records is unknown. Offsets of markers and of aborted records count as well.
 */
export interface Gap extends TopicPartition {
  readonly from: number
  readonly to: number
}

export interface ProducerRecord extends TopicPartition {
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: SentValue | null
  readonly headers: readonly Header[]
}

// ── State kept beside the log ───────────────────────────────────────────────────────────────────────────────────────────

/** The bytes of one store as of the last commit, ordered by the bytes of the keys. All reads are synchronous. */
export interface StoreBytes {
  get(key: Uint8Array): Uint8Array | null
  /** Returns one result for each key, in order, with a single call into the database. */
  getMany(keys: readonly Uint8Array[]): readonly (Uint8Array | null)[]
  /** `from` is inclusive, `to` is exclusive, null means no bound. The iterator closes itself at its end, and when a loop over it is left. */
  range(from: Uint8Array | null, to: Uint8Array | null, options?: { readonly reverse?: boolean }): IterableIterator<readonly [Uint8Array, Uint8Array]>
  /**
   * Deletes all rows before this key at the cost of one deletion. These rows have expired, so nothing reads them. The deletion is in no commit, and a
   * crash may undo it. Undefined where rows can only be deleted one by one, in commits.
   */
  clearBefore?(key: Uint8Array): void
}

/** Changes that a commit makes to one store of one task. A null value deletes. */
export interface StoreChange {
  readonly task: string
  readonly store: string
  readonly entries: Iterable<readonly [key: Uint8Array, value: Uint8Array | null, ...more: readonly unknown[]]>
  /** Returns the changes as records of the store's changelog; null if the store has no changelog of its own. */
  readonly logged: (() => readonly ChangelogRecord[]) | null
}

/** A change of a store in its changelog, in the bytes that Kafka Streams writes. So Waggle and Kafka Streams can restore each other's state. */
export interface ChangelogRecord {
  readonly key: Uint8Array
  /** The new value of the row; null deletes the row. */
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

/** The stores of tasks as of the last commit. */
export interface StateDisk {
  /** The database's estimate of the bytes of all rows, with the records of a log in the same database. Undefined where the database gives none. */
  readonly liveBytes?: number
  open(task: string, store: string): StoreBytes
  /** Changes rows outside of any task's commit. No task that has these rows may be running. Undefined if no older program left rows to change. */
  readonly migrate?: (changes: readonly StoreChange[]) => Promise<void>
}

/** The directory of a process's copies of changelogs, on a log that keeps no state. */
export interface StateDirectory {
  /** The id of the process. The id stays the same while the process has this directory. */
  readonly processId: string
  /** The database's estimate of the bytes of all rows. Undefined where the database gives none. */
  readonly liveBytes?: number
  /** Opens a task's disk. Handles from earlier calls for this task write nothing any more. */
  open(task: string): TaskDisk
  /** The copies in this directory by task: for each changelog, the next offset that the copy lacks. */
  copies(): ReadonlyMap<string, readonly ChangelogOffset[]>
  forget(task: string): void
  close(): Promise<void>
}

export type ChangelogOffset = TopicPartition & {
  readonly offset: number
  /** The id of the topic that the offset belongs to (`TopicInfo.id`). If undefined, the stored id stays. */
  readonly topicId?: string
}

/** The stores of one task on this machine. */
export interface TaskDisk {
  store(name: string): StoreBytes
  /** The next changelog offset that the store lacks; null if none is stored. */
  offset(changelog: TopicPartition): number | null
  /** The id of the topic that this offset belongs to; null if none is stored. */
  topicId(changelog: TopicPartition): string | null
  /**
   * Writes rows and changelog offsets, all or nothing. The offsets are those that the stores have reached with these rows. The write survives a crash
   * of the process. After a crash of the machine the disk may have an earlier state, and the changelog has the rest. An entry's bytes are valid only
   * until the next entry is taken.
   */
  write(batch: { readonly changes: readonly Pick<StoreChange, 'store' | 'entries'>[]; readonly offsets: readonly ChangelogOffset[] }): void
  /** Empties the store, and forgets the offsets of these changelogs. */
  wipe(store: string, changelogs: readonly TopicPartition[]): void
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Position {
  /** The next offset to read. */
  readonly offset: number
  /** The task's own note (stream time), returned with the position. */
  readonly metadata: string
}

export interface AssignmentListener {
  /** Awaited within `poll`, before any record of these partitions is returned. */
  assigned(partitions: readonly TopicPartition[]): Promise<void> | void
  /** Awaited within `poll`. The member still owns the partitions, so it can make a last commit. */
  revoked(partitions: readonly TopicPartition[]): Promise<void> | void
  /** The member no longer owns the partitions, so it must not commit their positions. */
  lost(partitions: readonly TopicPartition[]): Promise<void> | void
}

/**
 * Assigns partitions at the leader of a group. As in Kafka Streams, the messages of members and leader travel in the metadata of JoinGroup and in the
 * assignment of SyncGroup.
 */
export interface GroupAssignor {
  readonly name: string
  /** This member's message to the leader. Called before each join. */
  memberData(): Uint8Array
  /** Assigns partitions as the leader: each member gets its partitions and a message. */
  assign(members: readonly GroupMember[], partitionsOf: (topic: string) => number): ReadonlyMap<string, GroupAssignment>
  /** Receives the leader's message to this member, before `assigned` and `revoked` are called. */
  received(data: Uint8Array): void
}

export interface GroupMember {
  readonly id: string
  readonly instanceId: string | null
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
  readonly data: Uint8Array
}

export interface GroupAssignment {
  readonly partitions: readonly TopicPartition[]
  readonly data: Uint8Array
}

export interface Subscription {
  readonly group: string
  readonly topics: readonly string[]
  readonly listener: AssignmentListener
  /** The place to start a partition without a committed position. */
  readonly offsetReset: 'earliest' | 'latest'
  /**
   * Chooses the next offset if the position is gone, because retention deleted it or the topic was created again. A rejection makes `poll` reject.
   * Without this function `offsetReset` decides. Not called for a start without a position.
   */
  readonly outOfRange?: (place: TopicPartition, offset: number) => Promise<number>
  /** Called for offsets that cannot be read. The consumer skips these offsets. */
  readonly onUnreadable?: (gap: Gap, cause: Error) => void
  /** `handed`: includes records that this process has appended and not committed yet, if the log supports it. */
  readonly isolation: 'committed' | 'handed'
  /** Assigns partitions, on a log whose groups span processes. Without an assignor the log spreads partitions itself. */
  readonly assignor?: GroupAssignor
  /** Static membership: a member that returns under the same name within the session gets its partitions back without a rebalance. */
  readonly instanceId?: string
}

/** A member of a group. One loop uses the member; only `wakeup` and `committed` may be called from elsewhere. */
export interface Consumer {
  /**
   * Returns at most one run for each partition, starting at the consumer's position, and moves the position behind the run. Resolves when there is a
   * record, after `maxWaitMs`, or on `wakeup`. Paused partitions give no records.
   */
  poll(options: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly RecordRun[]>
  wakeup(): void
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** True if this partition is known to have a record that `poll` has not returned, whether it is paused or not. */
  hasMore(partition: TopicPartition): boolean
  /** The end of the readable records, if it is known without a request; else null. */
  endOf(partition: TopicPartition): number | null
  /** The group's committed position; null if there is none. */
  committed(partition: TopicPartition): Promise<Position | null>
  seek(partition: TopicPartition, offset: number): void
  /** Asks for a rebalance, so that the group's assignor runs again. Does nothing where the log has no groups to balance. */
  rejoin(): void
  close(): Promise<void>
}

/**
 * Reads without a group and commits nothing: for tail, trace, restore, and a gateway's answers. The reader ends at `to`, or when it is closed. If the
 * log closes earlier, the reader fails.
 */
export interface Reader extends AsyncIterable<RecordRun> {
  /** Settles when the reader's start is known. With `from: -1`, the reader returns the records that are appended after that moment. */
  readonly ready: Promise<void>
  close(): Promise<void>
}

export interface ReadOptions {
  readonly topic: string
  readonly partition: number
  /** The first offset to read; -1 for records from now on. */
  readonly from: number
  /** The reader ends before this offset, and does not wait for more records. */
  readonly to?: number
  /** True: the log may skip reading a large value, and return an empty value instead. Meant for readers that need only headers. */
  readonly skipsLargeValues?: boolean
  /**
   * Makes the reader fail with WAGGLE_RECORDS_GONE if records were deleted before it read them, or if the topic has another id (null: any id).
   * Without this option, the reader continues with the remaining records.
   */
  readonly whole?: { readonly topicId: string | null }
  /**
   * Called when the reader continues without some records, because they were deleted or cannot be read (`cause`). With `from: 0` no gap is reported
   * before the first record. A log in another JavaScript thread reports no gaps.
   */
  readonly onGap?: (gap: Gap, cause?: Error) => void
}

// ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface CommitPoint {
  /** The group of the position, if it is not the producer's own group. One commit may hold positions of several groups. */
  readonly positions: readonly (TopicPartition & Position & { readonly group?: string })[]
  /** Changes of stores. Empty unless the log keeps state (`Log.state`). The changes are read before `commit` returns its promise. */
  readonly state: readonly StoreChange[]
}

export interface CommitReceipt {
  /** The offset after the last record of this commit, for each partition that it wrote. Empty on a log in another JavaScript thread. */
  readonly ends: readonly (TopicPartition & { readonly offset: number })[]
}

/**
 * Writes for the tasks of one stream thread. Appended records belong to the open commit. `commit` closes the open commit and opens the next one, so
 * appending goes on while a commit is on its way. With `traits.atomicCommit`, a commit takes effect as a whole or not at all. Without it, records are
 * written first and positions after them (at least once).
 */
export interface TaskProducer {
  append(record: ProducerRecord): void
  /** Closes the open commit. Commits are applied in the order of the calls. Rejects with WAGGLE_FENCED if another process owns these tasks now. */
  commit(point: CommitPoint): Promise<CommitReceipt>
  /**
   * Drops everything that is not in a successful commit. On a log that hands values on, other tasks may have used the dropped values. So on such a
   * log the open commits of all task producers of this process are dropped together. Every consumer with `handed` isolation loses its partitions
   * (`lost`), and gets them again at the last commit.
   */
  abort(): Promise<void>
  close(): Promise<void>
}

/** Writes for a caller that is not a task, such as a gateway. Each record is a commit of its own. */
export interface Producer {
  /**
   * Sends a record, which readers of this process may get at once. The promise settles with its offset when the record is durable. With `durable:
   * false` the record starts no sync, and becomes durable with the next commit. The offset is -1 if the log has the record from an earlier try and
   * does not tell its offset.
   */
  send(record: ProducerRecord, options?: { readonly durable?: boolean }): Promise<{ readonly offset: number }>
  close(): Promise<void>
}

// ── Deaths ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Remembers the records in flight beyond a death of the process. */
export interface FlightRecorder {
  /** Records that were in flight at a death and have not finished a call since, in the order of their first deaths. */
  readonly suspects: ReadonlyMap<string, RecordDeaths>
  /**
   * Notes that a call of these records begins. `write` must be called before the call itself, and the returned function when the call has ended.
   */
  begin(records: readonly string[]): () => void
  /** Writes all notes down before it returns. Calls that begin together share one write. */
  write(): void
}

/** The deaths of the process at which a record was in flight. */
export interface RecordDeaths {
  readonly all: number
  /** The deaths at which no other record was in flight. */
  readonly alone: number
}

// ── The log ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface LogTraits {
  /** True if the records, the positions and (on a log that keeps state) the state of a commit take effect together. */
  readonly atomicCommit: boolean
  /** True if the same input may come twice. Then steps that must happen once have to remember their inputs. */
  readonly repeatsRecords: boolean
  /** True if values are handed to `handed` consumers of this process in memory, before their commit. */
  readonly handsOn: boolean
  /** The greatest length of a position's metadata, in characters; undefined: no limit. */
  readonly maxNoteBytes?: number
}

export interface TopicInfo extends TopicSpec {
  /** The id of the topic. A deleted topic that is created again has another id (KIP-516). Undefined on a log without topic ids. */
  readonly id?: string
  /** The first kept offset of each partition, and the least offset that the next durable record can have. */
  readonly offsets: readonly PartitionOffsets[]
}

export interface PartitionOffsets {
  readonly start: number
  readonly end: number
  /** The end of all written records, if uncommitted records follow `end`. A reader at this offset has read every record that may be committed now. */
  readonly written?: number
}

/** The disk use of a log on a disk of this process. */
export interface LogStorage {
  readonly bytes: number
  readonly maxBytes: number
  /** Readers that have not read everything in a partition. The reader that is furthest behind comes first. Ages are in milliseconds. */
  readonly behind: readonly (TopicPartition & { readonly group: string; readonly records: number; readonly oldestAgeMs: number })[]
  /** The reason why the log accepts no more records, with the reader that is behind; null while there is room. */
  readonly refusal: string | null
}

export interface Log {
  readonly traits: LogTraits
  /** The stores that the log keeps itself and commits with the records; null if stores are restored from changelogs. */
  readonly state: StateDisk | null
  /** Creates missing topics. Throws WAGGLE_TOPIC_MISMATCH for an existing topic with another number of partitions. */
  createTopics(topics: readonly TopicSpec[]): Promise<void>
  topic(name: string): Promise<TopicInfo | null>
  topics(): Promise<readonly string[]>
  subscribe(subscription: Subscription): Promise<Consumer>
  /**
   * `consumers`: the consumers of the tasks that the producer writes for. Default: all consumers of the log. If one of them may have lost its tasks
   * to another process, the producer holds its writes back.
   */
  taskProducer(options: { readonly group: string; readonly consumers?: () => readonly Consumer[] }): Promise<TaskProducer>
  producer(): Promise<Producer>
  read(options: ReadOptions): Reader
  /**
   * The offset at which a search for records with this timestamp or a later one begins. If the partition has no such record, the offset is the
   * partition's end. Kafka has an index, so no such record is before the offset. The embedded log halves the range at each step. Its search may pass
   * a record that lies among records with other times, so a search that finds nothing begins again earlier.
   */
  offsetAt?(place: TopicPartition, timestamp: number): Promise<number>
  /**
   * Deletes the records before these offsets, at once or later. No reader needs these records any more. A log without this method keeps them until
   * their retention is over.
   */
  deleteBefore?(places: readonly (TopicPartition & { readonly offset: number })[]): Promise<void>
  /** Sets positions of a group that has no members now. Only a log whose groups span processes has this method. */
  setPositions?(group: string, positions: readonly (TopicPartition & Position)[]): Promise<void>
  /**
   * Settles when everything that was readable before the call is durable, including state. Rejects if a write fails. A log without this method makes
   * records readable only when they are durable.
   */
  durable?(): Promise<void>
  /** Bytes that wait to be written, and their limit. At the limit gateways refuse requests. */
  readonly load: { readonly pendingBytes: number; readonly maxPendingBytes: number }
  /** The disk use, as measured some seconds ago; undefined if another program stores the records. */
  readonly storage?: LogStorage
  close(): Promise<void>
}
