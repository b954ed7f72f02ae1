import {
  type AssignmentListener,
  type Consumer,
  type Log,
  type Position,
  partitionName,
  type RecordRun,
  type TopicPartition,
  valueBytes,
} from '../../../processor/ports.ts'
import type { PortPeer } from '../../system/port-peer.ts'
import type { ListenerCalls, PolledRuns, RemoteSubscription } from './protocol.ts'
import { packRuns } from './record-wire.ts'

/** The log's side of a `RemoteConsumer`: a member of a group whose tasks run in another thread. */
export class ServedConsumer {
  readonly #consumer: Consumer
  readonly #readsSeveral: boolean
  readonly #owned: Map<string, TopicPartition>
  readonly #seeks = new Map<string, number>()
  /** The average size of a record in the last answer. Large records make the next run shorter. */
  #bytesARecord = 0

  private constructor(consumer: Consumer, owned: Map<string, TopicPartition>, readsSeveral: boolean) {
    this.#consumer = consumer
    this.#owned = owned
    this.#readsSeveral = readsSeveral
  }

  static async open(
    log: Log,
    { group, topics, offsetReset, asksOutOfRange }: RemoteSubscription,
    { number, peer }: { readonly number: number; readonly peer: PortPeer<ListenerCalls> },
  ): Promise<ServedConsumer> {
    const owned = new Map<string, TopicPartition>()
    const listener: AssignmentListener = {
      assigned: async (partitions) => {
        for (const one of partitions) owned.set(partitionName(one), one)
        await peer.call('assigned', { consumer: number, partitions })
      },
      revoked: async (partitions) => {
        await peer.call('revoked', { consumer: number, partitions })
        for (const one of partitions) owned.delete(partitionName(one))
      },
      lost: async (partitions) => {
        for (const one of partitions) owned.delete(partitionName(one))
        await peer.call('lost', { consumer: number, partitions })
      },
    }
    // The other thread gets only committed records. Uncommitted records may still be dropped, and a dropped record cannot be taken back from a task
    // of the other thread.
    const outOfRange = (place: TopicPartition, offset: number) => peer.call('outOfRange', { consumer: number, ...place, offset })
    const consumer = await log.subscribe({ group, topics, offsetReset, isolation: 'committed', listener, ...(asksOutOfRange ? { outOfRange } : {}) })
    return new ServedConsumer(consumer, owned, topics.length > 1)
  }

  async poll(maxRecords: number): Promise<PolledRuns> {
    const fitting = this.#bytesARecord === 0 ? maxRecords : Math.floor(maxSentBytes / this.#bytesARecord)
    const runs = await this.#consumer.poll({ maxRecords: Math.max(1, Math.min(maxRecords, fitting)), maxWaitMs: longWaitMs })
    this.#weigh(runs)
    const more = this.#readsSeveral ? [...this.#owned.values()].filter((one) => this.#consumer.hasMore(one)) : []
    return { runs: packRuns(runs.map((run) => ({ ...run, seeks: this.#seeks.get(partitionName(run)) ?? 0 }))), more }
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#consumer.pause(partitions)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#consumer.resume(partitions)
  }

  seek(partition: TopicPartition, offset: number, seeks: number): void {
    this.#seeks.set(partitionName(partition), seeks)
    this.#consumer.seek(partition, offset)
    // A poll that waits for records is woken, because the new position may have records.
    this.#consumer.wakeup()
  }

  committed(partition: TopicPartition): Promise<Position | null> {
    return this.#consumer.committed(partition)
  }

  close(): Promise<void> {
    return this.#consumer.close()
  }

  #weigh(runs: readonly RecordRun[]): void {
    let [records, bytes] = [0, 0]
    for (const run of runs) {
      records += run.records.length
      for (const { value } of run.records) bytes += 64 + valueBytes(value)
    }
    if (records > 0) this.#bytesARecord = bytes / records
  }
}

const maxSentBytes = 8 * 1024 * 1024
/** The other thread has its own shorter limit, so this wait may be long. */
const longWaitMs = 60_000
