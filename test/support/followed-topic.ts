import { setTimeout as pause } from 'node:timers/promises'
import type { Log, LogRecord } from '../../processor/ports.ts'

export interface FollowedTopicOptions {
  readonly log: Log
  readonly topic: string
  readonly onRecord: (record: LogRecord, partition: number) => void
}

/** The committed records of a topic from its beginning, each record once. */
export class FollowedTopic {
  readonly #options: FollowedTopicOptions
  readonly #next: number[] = []
  #following: Promise<void> | null = null
  #isOver = false

  constructor(options: FollowedTopicOptions) {
    this.#options = options
  }

  /** Reads until `close`. If brokers do not answer, it tries again a little later. */
  follow(): void {
    this.#following ??= (async () => {
      while (!this.#isOver) {
        await this.#readOn('end').catch(() => {})
        await pause(250)
      }
    })()
  }

  /** Reads up to the current end, after all earlier transactions have ended, and stops. */
  async readRest(): Promise<void> {
    await this.close()
    await this.#readOn('written')
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#following
  }

  async #readOn(upTo: 'end' | 'written'): Promise<void> {
    const { log, topic, onRecord } = this.#options
    for (const [partition, { start, end, written = end }] of ((await log.topic(topic))?.offsets ?? []).entries()) {
      const from = this.#next[partition] ?? start
      const to = upTo === 'end' ? end : Math.max(end, written)
      if (to <= from) continue
      for await (const { records } of log.read({ topic, partition, from, to })) {
        for (const record of records) {
          onRecord(record, partition)
          this.#next[partition] = record.offset + 1
        }
      }
      this.#next[partition] = to
    }
  }
}

export async function readWhole(log: Log, topic: string, onRecord: FollowedTopicOptions['onRecord']): Promise<void> {
  await new FollowedTopic({ log, topic, onRecord }).readRest()
}
