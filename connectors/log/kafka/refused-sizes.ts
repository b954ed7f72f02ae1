import type { Clock, ProducerRecord } from '../../../processor/ports.ts'
import { RecordRefused } from '../../../topology/waggle-error.ts'
import { batchBytesOf } from './record-batch-writer.ts'

/**
 * Sizes of records that brokers have just refused, by topic. A record of at least that size is refused when it is appended, where its input is known;
 * a broker would refuse the whole commit. A size is forgotten after a minute, because the topic may accept more by then.
 */
export class RefusedSizes {
  readonly #clock: Clock
  readonly #byTopic = new Map<string, { bytes: number; untilMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes that a broker has refused a batch of this size that held one record. */
  add(topic: string, bytes: number): void {
    this.#byTopic.set(topic, { bytes, untilMs: this.#clock.elapsedMs() + keptMs })
  }

  /** Throws `RecordRefused` for a record of at least the size that its topic has just refused. */
  check(record: ProducerRecord): void {
    if (this.#byTopic.size === 0) return
    const refused = this.#byTopic.get(record.topic)
    if (refused === undefined) return
    if (this.#clock.elapsedMs() >= refused.untilMs) {
      this.#byTopic.delete(record.topic)
      return
    }
    const bytes = batchBytesOf(record)
    if (bytes < refused.bytes) return
    throw new RecordRefused('WAGGLE_RECORD_TOO_LARGE', {
      message: `A record of ${bytes} bytes cannot be written to ${record.topic}: it has just refused one of ${refused.bytes}`,
      next: 'Raise max.message.bytes of the topic, or send less in one record.',
    })
  }
}

const keptMs = 60_000
