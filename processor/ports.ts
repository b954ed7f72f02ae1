/**
 * What the engine reaches the world through. Kafka, the embedded log and the simulated one implement `Log`; nothing under
 * `processor/` touches time, randomness, a disk or a socket in any other way, so one seed gives one history.
 */
import type { Header } from '../topology/record.ts'
import type { Serializer } from '../topology/serde.ts'
import type { TopicSpec } from '../topology/topic.ts'
import type { WaggleError } from '../topology/waggle-error.ts'

export type { TopicSpec }

export interface Clock {
  /** Epoch milliseconds. */
  now(): number
  /** Monotonic milliseconds with fractions, for durations. */
  elapsedMs(): number
  /** Calls back once, after `delayMs`; what it returns cancels. */
  after(delayMs: number, callback: () => void): () => void
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  bytes(count: number): Uint8Array
}

// ── Topics and records ──────────────────────────────────────────────────────────────────────────────────────────────────

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A partition as a key of maps. */
export function placeName({ topic, partition }: TopicPartition): string {
  return `${partition} ${topic}`
}

/**
 * A value handed on in memory, with its bytes. The constructor serialises it, once: a value that its serde cannot write fails here, in the node
 * that sends it and with the record that it came of, and never in a commit, which belongs to many records. A reader takes `value` only if it would
 * have decoded the bytes with the very serde that encoded them.
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

/** A value whose bytes are damaged where they lie. Its record can be passed, and whoever reads the value gets `error`: it has no bytes of its own. */
export class DamagedValue extends Handed {
  readonly error: WaggleError

  constructor(error: WaggleError) {
    super('', undefined, { serialize: () => new Uint8Array(0) }, [])
    this.error = error
  }
}

/** Bytes of a record's value; 0 without one. */
export function valueBytes(value: Uint8Array | Handed | null): number {
  return value === null ? 0 : value instanceof Handed ? value.bytes.length : value.length
}

/**
 * Bytes that a record takes in memory, about: its objects, and its payload twice, since most are there as a value and as its bytes.
 * A bound that counts payloads alone lets small records take thirty times as much.
 */
export function recordMemory({ key, value, headers }: Pick<LogRecord, 'key' | 'value' | 'headers'>): number {
  let bytes = objectBytes + (key === null ? 0 : key.length) + 2 * valueBytes(value)
  for (const header of headers) bytes += headerBytes + (header.value === null ? 0 : header.value.length)
  return bytes
}

/** Objects of one record, and its share of the 64 KiB blocks that small buffers are cut from: one buffer that stays keeps a whole block. */
export const objectBytes = 3072
const headerBytes = 192

/** A record as it lies in the log. Offsets only grow within a partition; there may be gaps (aborted commits). */
export interface LogRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | Handed | null
  readonly headers: readonly Header[]
}

export interface RecordRun extends TopicPartition {
  readonly records: readonly LogRecord[]
}

/**
 * Records that went before they were read: a reader goes on at `to` instead of `from`. A `to` before `from`: the topic was made anew or cut, and
 * nobody can say how many records are gone. Offsets of markers and of aborted records count as well.
 */
export interface Gap extends TopicPartition {
  readonly from: number
  readonly to: number
}

export interface ProducerRecord extends TopicPartition {
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | Handed | null
  readonly headers: readonly Header[]
}

// ── State kept beside the log ───────────────────────────────────────────────────────────────────────────────────────────

/** One store's bytes as of the last commit; ordered by the keys' bytes, all reads synchronous. */
export interface StoreBytes {
  get(key: Uint8Array): Uint8Array | null
  /** One result a key, in order: a single crossing into the database for a whole run of keys. */
  getMany(keys: readonly Uint8Array[]): readonly (Uint8Array | null)[]
  /** `from` inclusive, `to` exclusive, null is open. Closes itself when it ends or the loop is left. */
  range(from: Uint8Array | null, to: Uint8Array | null, options?: { readonly reverse?: boolean }): IterableIterator<readonly [Uint8Array, Uint8Array]>
  /**
   * Takes away all rows before this one, at the cost of one: what has run out, so that nobody asks for it any more. In no commit, and
   * a crash may undo it. Absent where rows can only be deleted one by one, in commits.
   */
  clearBefore?(key: Uint8Array): void
}

/** What a commit does to one store of one task. A null value deletes. */
export interface StoreChange {
  readonly task: string
  readonly store: string
  readonly entries: Iterable<readonly [key: Uint8Array, value: Uint8Array | null, ...more: readonly unknown[]]>
  /** The same, as the store's changelog has it: made when it is asked for. Null where the store has no changelog of its own. */
  readonly logged: (() => readonly ChangelogRecord[]) | null
}

/** A change of a store as its changelog holds it: Kafka Streams' bytes, so that either can restore what the other wrote. */
export interface ChangelogRecord {
  readonly key: Uint8Array
  /** Null deletes. */
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

/** Where a task's stores lie between commits. */
export interface StateDisk {
  open(task: string, store: string): StoreBytes
}

/** Where a process keeps its copies of what changelogs say, on a log that keeps no state. */
export interface StateDirectory {
  /** Who comes back with this directory is the same process as before. */
  readonly processId: string
  /** Takes a task over: its disk as it was opened before writes nothing any more. */
  open(task: string): TaskDisk
  /** What is here of each task: the next offset of each changelog that it has not. */
  copies(): ReadonlyMap<string, readonly ChangelogOffset[]>
  /** Nothing of this task is wanted here any more. */
  forget(task: string): void
  close(): Promise<void>
}

export type ChangelogOffset = TopicPartition & {
  readonly offset: number
  /** Which topic of this name it is an offset of (`TopicInfo.id`); without it, the one that was written down before. */
  readonly topicId?: string
}

/** One task's stores on this machine. */
export interface TaskDisk {
  store(name: string): StoreBytes
  /** The next record of a changelog that its store has not; null where it has nothing of it. */
  offset(changelog: TopicPartition): number | null
  /** Which topic of this name that is an offset of; null where nobody has said. */
  topicId(changelog: TopicPartition): string | null
  /**
   * Rows and the offsets that they bring the stores to: all of it or nothing. It survives the process at once, and the machine as of
   * some earlier write, since the changelog has what is missing. An entry's bytes may be good only until the next one is asked for.
   */
  write(batch: { readonly changes: readonly Pick<StoreChange, 'store' | 'entries'>[]; readonly offsets: readonly ChangelogOffset[] }): void
  /** The store is empty, and has nothing of these changelogs. */
  wipe(store: string, changelogs: readonly TopicPartition[]): void
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Position {
  /** The next offset to read. */
  readonly offset: number
  /** The task's own note (stream time), given back with the position. */
  readonly metadata: string
}

export interface AssignmentListener {
  /** Awaited within `poll`, before any record of these partitions is given out. */
  assigned(partitions: readonly TopicPartition[]): Promise<void> | void
  /** Awaited within `poll`: still the owner, so a last commit counts. */
  revoked(partitions: readonly TopicPartition[]): Promise<void> | void
  /** No longer the owner: nothing of these partitions may be committed. */
  lost(partitions: readonly TopicPartition[]): Promise<void> | void
}

/** Decides at the leader of a group who reads what: client-side, in JoinGroup's metadata and SyncGroup's assignment (as Kafka Streams' own). */
export interface GroupAssignor {
  readonly name: string
  /** What this member says of itself to the leader; asked before each join. */
  memberData(): Uint8Array
  /** At the leader. Each member gets its partitions, and something to know. */
  assign(members: readonly GroupMember[], partitionsOf: (topic: string) => number): ReadonlyMap<string, GroupAssignment>
  /** What the leader decided for this member: told before `assigned` and `revoked`. */
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
  /** Where a partition without a committed position starts. */
  readonly offsetReset: 'earliest' | 'latest'
  /**
   * Says where a partition goes on whose position is not there: retention took it, or the topic is another one now. `poll` rejects with what
   * this rejects with. Without it `offsetReset` decides. A start without a position asks nobody.
   */
  readonly outOfRange?: (place: TopicPartition, offset: number) => Promise<number>
  /** Told of offsets that hold nothing that can be read as records, however often it is tried: they are left out. */
  readonly onUnreadable?: (gap: Gap, cause: Error) => void
  /** `handed`: also what this process appended and has not committed yet, where the log can. */
  readonly isolation: 'committed' | 'handed'
  /** Who reads what, where the log has groups over processes; without one the log spreads partitions itself. */
  readonly assignor?: GroupAssignor
  /** Static membership: who comes back under the same name within the session gets what it had, without a rebalance. */
  readonly instanceId?: string
}

/** A member of a group. Used by one loop; only `wakeup` and `committed` may be called from elsewhere. */
export interface Consumer {
  /**
   * At most one run a partition, starting at the consumer's position, which moves past what was given out. Resolves as soon
   * as there is something, after `maxWaitMs`, or on `wakeup`. Paused partitions give nothing.
   */
  poll(options: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly RecordRun[]>
  wakeup(): void
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** A record of this partition is known to be there that `poll` has not given out, paused or not. */
  hasMore(partition: TopicPartition): boolean
  /** Where what it may read ends, as far as is known without asking anybody; null where that is not known. */
  endOf(partition: TopicPartition): number | null
  /** The group's committed position; null where there is none. */
  committed(partition: TopicPartition): Promise<Position | null>
  seek(partition: TopicPartition, offset: number): void
  /** Asks for a new rebalance, so that the group's assignor is heard again; does nothing where a log has no groups to balance. */
  rejoin(): void
  close(): Promise<void>
}

/**
 * Reads without a group and commits nothing: tail, trace, restore, a gateway's answers. It ends at `to`, or when it is closed; where the log is
 * closed before, it does not end as if it had come there.
 */
export interface Reader extends AsyncIterable<RecordRun> {
  /** It is decided where it starts: with `from: -1`, what comes after this is read. */
  readonly ready: Promise<void>
  close(): Promise<void>
}

export interface ReadOptions {
  readonly topic: string
  readonly partition: number
  /** First offset wanted; -1: only what comes from now on. */
  readonly from: number
  /** Ends before this offset instead of waiting for more. */
  readonly to?: number
  /**
   * Nothing may be left out: where something is gone before it was read, or the topic is not the one of this id any more (null: whichever),
   * it fails with WAGGLE_RECORDS_GONE. Else it goes on with what is kept.
   */
  readonly whole?: { readonly topicId: string | null }
  /**
   * Told of records after `from` that went before they were read, or that cannot be read (`cause`), where it goes on without them. `from: 0` is a start, and no gap is told before
   * its first record. A log in another thread tells nobody.
   */
  readonly onGap?: (gap: Gap, cause?: Error) => void
}

// ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface CommitPoint {
  /** `group` where it is another than the producer's own: one commit may hold positions of several groups. */
  readonly positions: readonly (TopicPartition & Position & { readonly group?: string })[]
  /** Empty unless the log keeps state (`Log.state`). Read before `commit` returns its promise. */
  readonly state: readonly StoreChange[]
}

export interface CommitReceipt {
  /** The offset after the last record of this commit, a partition that it wrote. Empty where the log keeps state itself. */
  readonly ends: readonly (TopicPartition & { readonly offset: number })[]
}

/**
 * Writes for the tasks of one stream thread. What is appended belongs to the commit that is open; `commit` closes it and
 * opens the next, so appending goes on while it is on its way. A commit takes effect whole or not at all where
 * `traits.atomicCommit`, else records first and positions after them (at least once).
 */
export interface TaskProducer {
  append(record: ProducerRecord): void
  /** Commits are applied in the order of the calls. Rejects with WAGGLE_FENCED where another process owns these tasks now. */
  commit(point: CommitPoint): Promise<CommitReceipt>
  /**
   * Drops everything that no successful commit holds. Where the log hands values on before their commit, what one producer
   * drops others may have built on: then the open commits of all task producers of this process are dropped together, and
   * every consumer with `handed` isolation loses its partitions (`lost`) and gets them again at the last commit.
   */
  abort(): Promise<void>
  close(): Promise<void>
}

/** Writes from outside any task (a gateway): each record stands for itself. */
export interface Producer {
  /** Readers of this process may have it at once. The promise settles with its offset when it is durable; `durable: false` does not hurry the log to sync, it rides on the next commit. */
  send(record: ProducerRecord, options?: { readonly durable?: boolean }): Promise<{ readonly offset: number }>
  close(): Promise<void>
}

// ── Deaths ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Remembers over a process's death what it was working on. */
export interface FlightRecorder {
  /** What was in flight at a death and has not ended a call since; how often it was the only record in flight then. */
  readonly suspects: ReadonlyMap<string, number>
  /** Written before it returns. What it returns is due when the call has ended. */
  begin(records: readonly string[]): () => void
}

// ── The log ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface LogTraits {
  /** Records, positions and (where kept here) state of a commit take effect together. */
  readonly atomicCommit: boolean
  /** The same input may come twice, so what must happen once has to remember. */
  readonly repeatsRecords: boolean
  /** Values are handed on in memory before their commit, to `handed` consumers of this process. */
  readonly handsOn: boolean
  /** How long a position's metadata may be, in characters; without it, as long as it likes. */
  readonly maxNoteBytes?: number
}

export interface TopicInfo extends TopicSpec {
  /** Another topic that is made under the same name has another (KIP-516); without one the log cannot tell them apart. */
  readonly id?: string
  /** One entry a partition: first offset kept, and the offset that the next durable record will have at the least. */
  readonly offsets: readonly PartitionOffsets[]
}

export interface PartitionOffsets {
  readonly start: number
  readonly end: number
  /** Where more is written than is committed: past that. A reader that has come here has all that will ever count of it. */
  readonly written?: number
}

/** What a log keeps on a disk of this process. */
export interface LogStorage {
  readonly bytes: number
  readonly maxBytes: number
  /** Readers that have not read all of a partition, the furthest behind first. Ages are in milliseconds. */
  readonly behind: readonly (TopicPartition & { readonly group: string; readonly records: number; readonly oldestAgeMs: number })[]
  /** Why nothing more may be taken in, with the reader that is behind; null where there is room. */
  readonly refusal: string | null
}

export interface Log {
  readonly traits: LogTraits
  /** Where state lies in the log's own commit; null where it is rebuilt from changelogs. */
  readonly state: StateDisk | null
  /** Makes what is missing. What exists with other partitions is WAGGLE_TOPIC_MISMATCH. */
  createTopics(topics: readonly TopicSpec[]): Promise<void>
  topic(name: string): Promise<TopicInfo | null>
  topics(): Promise<readonly string[]>
  subscribe(subscription: Subscription): Promise<Consumer>
  /**
   * `consumers`: what the tasks read with that it writes for, where somebody knows; else all of the log. Where one of them may have lost its tasks
   * to others, nothing that comes late counts.
   */
  taskProducer(options: { readonly group: string; readonly consumers?: () => readonly Consumer[] }): Promise<TaskProducer>
  producer(): Promise<Producer>
  read(options: ReadOptions): Reader
  /**
   * What lies before these offsets nobody will read again: it goes, at once or in time, as far as the log deletes by. A log without this
   * keeps it until its retention has passed.
   */
  deleteBefore?(places: readonly (TopicPartition & { readonly offset: number })[]): Promise<void>
  /**
   * Settles when everything that could be read of this log before the call is durable, state included; rejects where its write fails. A log
   * without this gives nothing to read before it is durable.
   */
  durable?(): Promise<void>
  /** Bytes that wait to be written, against their bound: a gateway refuses what comes when it is full. */
  readonly load: { readonly pendingBytes: number; readonly maxPendingBytes: number }
  /** As measured some seconds ago; absent where others keep the records. */
  readonly storage?: LogStorage
  close(): Promise<void>
}
