import type { Application } from '../../processor/application/application.ts'
import type { Clock, Log } from '../../processor/ports.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** A topic in which accepted requests wait until their ledger has read them. */
export interface RequestTopic {
  readonly topic: string
  readonly partitions: number
}

/**
 * Finds requests that are accepted but not in the ledger yet. The swarm has not read their records, for example after a restart or while a model is
 * slow. A search therefore begins at the committed position, and reads only the partition of the request.
 */
export class UnreadRequests {
  readonly #log: Log
  readonly #clock: Clock
  #looking: Promise<unknown> = Promise.resolve()

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /**
   * True if the request waits in one of these topics. Throws WAGGLE_STARTING while positions are unknown, or if too many records would have to be
   * searched.
   */
  has(id: string, application: Application, topics: readonly RequestTopic[]): Promise<boolean> {
    // Searches run one after the other, so that a caller who asks for many unknown ids makes this process read only one partition at a time.
    const found = this.#looking.then(async () => {
      for (const one of topics) if (await this.#isOn(id, application, one)) return true
      return false
    })
    this.#looking = found.catch(() => {})
    return found
  }

  /**
   * True if the request is among the newest records of its partition. Only for the topic of a swarm that is not running, whose position is unknown.
   */
  isAmongNewest(id: string, { topic, partitions }: RequestTopic): Promise<boolean> {
    const key = Buffer.from(id)
    const partition = partitionForKey(key, partitions)
    const found = this.#looking.then(async () => {
      const { start = 0, end = 0 } = (await this.#log.topic(topic))?.offsets[partition] ?? {}
      const from = Math.max(start, end - maxLooked)
      if (from >= end) return false
      for await (const { records } of this.#log.read({ topic, partition, from, to: end }))
        if (records.some((record) => record.key !== null && key.equals(record.key))) return true
      return false
    })
    this.#looking = found.catch(() => {})
    return found
  }

  async #isOn(id: string, application: Application, { topic, partitions }: RequestTopic): Promise<boolean> {
    const key = Buffer.from(id)
    const partition = partitionForKey(key, partitions)
    const from = await this.#committedOffset(application, topic, partition)
    const end = (await this.#log.topic(topic))?.offsets[partition]?.end ?? 0
    let looked = 0
    if (from >= end) return false
    for await (const { records } of this.#log.read({ topic, partition, from, to: end })) {
      for (const record of records) {
        if (record.key !== null && key.equals(record.key)) return true
        if (++looked >= maxLooked) throw starting(`More than ${maxLooked} requests wait on partition ${partition} of ${topic}`)
      }
    }
    return false
  }

  /** Waits for the committed position of a swarm that has just started. The position is known after the first poll, which opens the tasks. */
  async #committedOffset(application: Application, topic: string, partition: number): Promise<number> {
    for (let waitedMs = 0; waitedMs <= longestStartMs; waitedMs += lookAgainMs) {
      const offset = application.threads.committedOffset(topic, partition)
      if (offset !== null) return offset
      await new Promise<void>((resolve) => void this.#clock.after(lookAgainMs, resolve))
    }
    throw starting('The swarm has not read its log yet')
  }
}

function starting(why: string): WaggleError {
  return new WaggleError('WAGGLE_STARTING', {
    message: `${why}, so nobody can say yet whether there is such a request`,
    next: 'Ask again in a moment.',
  })
}

const maxLooked = 2_000
const lookAgainMs = 20
const longestStartMs = 5_000
