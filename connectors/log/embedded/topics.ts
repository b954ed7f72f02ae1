import type { TopicInfo, TopicPartition, TopicSpec } from '../../../processor/ports.ts'
import { renumbered } from '../../../topology/log-errors.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import type { Change } from './change.ts'
import type { CommitCycle } from './commit-cycle.ts'
import type { CommitMark } from './commit-mark.ts'
import { endsKey, runKey, topicKey } from './keys.ts'
import type { LentDisk } from './lent-disk.ts'
import { storedTopics, writeTopics } from './log-directory.ts'
import { Partition } from './partition.ts'
import { endsOf } from './values.ts'

export interface Topic {
  readonly spec: TopicSpec
  /** The topic's number in the database's keys. */
  readonly number: number
  readonly partitions: readonly Partition[]
}

export interface TopicsOptions {
  /** The directory of the log. */
  readonly directory: string
  readonly disk: LentDisk
  readonly mark: CommitMark
}

/** The topics of the log, with their partitions. */
export class Topics {
  readonly #options: TopicsOptions
  readonly #topics = new Map<string, Topic>()
  #lastNumber = 0
  #creating: Promise<unknown> = Promise.resolve()

  constructor(options: TopicsOptions) {
    this.#options = options
    for (const { number, ...spec } of storedTopics(options.disk.rocks)) {
      this.#topics.set(spec.name, this.#topic(spec, number))
      this.#lastNumber = Math.max(this.#lastNumber, number)
    }
  }

  /**
   * Creates missing topics, and changes the retention of existing ones to the wanted retention. Calls run one after the other, so two calls for one
   * topic create it once. Returns true if a topic was created or changed. Throws WAGGLE_TOPIC_MISMATCH.
   */
  create(specs: readonly TopicSpec[], cycle: CommitCycle): Promise<boolean> {
    const created = this.#creating.then(() => this.#create(specs, cycle))
    this.#creating = created.catch(() => {})
    return created
  }

  async #create(specs: readonly TopicSpec[], cycle: CommitCycle): Promise<boolean> {
    const changes: RocksChange[] = []
    const made: Topic[] = []
    for (const spec of specs) {
      const there = this.#topics.get(spec.name)
      if (there === undefined) {
        const topic = this.#topic(spec, ++this.#lastNumber)
        made.push(topic)
        changes.push(storedTopic(spec, topic.number))
      } else if (there.spec.partitions === spec.partitions) {
        const kept = withRetention(there.spec, spec)
        if (kept === there.spec) continue
        made.push({ ...there, spec: kept })
        changes.push(storedTopic(kept, there.number))
      } else {
        throw renumbered(spec.name, { has: there.spec.partitions, wanted: spec.partitions })
      }
    }
    if (changes.length === 0) return false
    const { disk, directory, mark } = this.#options
    await cycle.change(() => ({ rows: changes, apply() {} }))
    const { sequence } = disk.rocks
    await cycle.sync()
    writeTopics(directory, storedTopics(disk.rocks))
    mark.write(sequence)
    for (const topic of made) this.#topics.set(topic.spec.name, topic)
    return true
  }

  named(names: readonly string[]): readonly Topic[] {
    return names.flatMap((name) => this.#topics.get(name) ?? [])
  }

  /** Called after topics were deleted from the database. */
  forget(names: readonly string[]): void {
    for (const { spec, partitions } of this.named(names)) {
      for (const partition of partitions) partition.isRemoved = true
      this.#topics.delete(spec.name)
    }
  }

  /** Writes the names of the topics beside the database. */
  save(): void {
    writeTopics(this.#options.directory, storedTopics(this.#options.disk.rocks))
  }

  describe(name: string): TopicInfo | null {
    const topic = this.#topics.get(name)
    return topic === undefined ? null : { ...topic.spec, offsets: topic.partitions.map(({ start, durableEnd }) => ({ start, end: durableEnd })) }
  }

  names(): readonly string[] {
    return [...this.#topics.keys()]
  }

  all(): Iterable<Topic> {
    return this.#topics.values()
  }

  partitionsOf(topics: readonly string[]): readonly Partition[] {
    return topics.flatMap((name) => this.#topics.get(name)?.partitions ?? [])
  }

  findPartition(topic: string, partition: number): Partition | null {
    return this.#topics.get(topic)?.partitions[partition] ?? null
  }
  /** Throws WAGGLE_MISSING_TOPIC. */
  partition(topic: string, partition: number): Partition {
    const found = this.findPartition(topic, partition)
    if (found === null)
      throw new WaggleError('WAGGLE_MISSING_TOPIC', {
        message: `There is no partition ${partition} of ${topic}`,
        next: 'Create the topic with that partition, or correct the name of the topic.',
      })
    return found
  }

  /**
   * The change that deletes whole runs of records before these offsets, even unread ones. A large payload stays while a kept record names its
   * segment.
   */
  deletionBefore(ends: readonly (TopicPartition & { readonly offset: number })[], rocks: Rocks): Change {
    const moved = new Map<Partition, { readonly start: number; readonly bytes: number }>()
    for (const { topic, partition: number, offset } of ends) {
      const partition = this.partition(topic, number)
      const start = offset >= partition.durableEnd ? partition.durableEnd : partition.firstOfRun(offset, rocks)
      // The size is counted when a limit next needs it. Reading the deleted records here would cost more than their deletion.
      const bytes = start === partition.durableEnd ? 0 : Number.NaN
      if (start > (moved.get(partition)?.start ?? partition.start)) moved.set(partition, { start, bytes })
    }
    return {
      rows: Array.from(moved, ([partition, to]) => partition.ends(to)),
      // A crash may leave runs before the start. No reader reads these runs, and the next deletion removes them.
      apply() {
        for (const [partition, { start, bytes }] of moved) {
          partition.start = start
          partition.bytes = bytes
          rocks.clear(runKey(partition.topicNumber, partition.number, 0), runKey(partition.topicNumber, partition.number, start))
        }
      },
    }
  }

  #topic(spec: TopicSpec, number: number): Topic {
    const partitions = Array.from({ length: spec.partitions }, (_, partition) => {
      return new Partition(spec.name, number, partition, endsOf(this.#options.disk.rocks.get(endsKey(number, partition))))
    })
    return { spec, number, partitions }
  }
}

/** The existing topic with the wanted retention. A wanted retention of null changes nothing. */
function withRetention(there: TopicSpec, { retentionMs, retentionBytes = null, leastAgeMs = 0 }: TopicSpec): TopicSpec {
  const isSame =
    (retentionMs ?? there.retentionMs) === there.retentionMs &&
    (retentionBytes ?? there.retentionBytes) === there.retentionBytes &&
    leastAgeMs === (there.leastAgeMs ?? 0)
  if (isSame) return there
  return {
    ...there,
    retentionMs: retentionMs ?? there.retentionMs,
    retentionBytes: retentionBytes ?? there.retentionBytes ?? null,
    ...(leastAgeMs === (there.leastAgeMs ?? 0) ? {} : { leastAgeMs }),
  }
}

function storedTopic(spec: TopicSpec, number: number): RocksChange {
  return [topicKey(spec.name), Buffer.from(JSON.stringify({ ...spec, number }))]
}
