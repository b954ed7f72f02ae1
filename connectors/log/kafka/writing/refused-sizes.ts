import type { Clock, ProducerRecord } from '../../../../processor/ports.ts'
import { RecordRefused } from '../../../../topology/waggle-error.ts'
import { batchBytesOf } from '../wire/record-batch-writer.ts'

/**
 * The record sizes that brokers have refused in the last minute, by topic. A record of at least such a size is refused before it is sent, while the
 * input that caused it is still known. A broker would refuse the whole commit.
 */
export class RefusedSizes {
  readonly #clock: Clock
  readonly #byTopic = new Map<string, { bytes: number; untilMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Records that a broker has refused a batch with a single record of this size. */
  add(topic: string, bytes: number): void {
    this.#byTopic.set(topic, { bytes, untilMs: this.#clock.elapsedMs() + keptMs })
  }

  /** Throws `RecordRefused` if the topic has refused a record of this size or less. */
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
      message: `A record of ${bytes} bytes cannot be written to ${record.topic}: the topic has just refused a record of ${refused.bytes} bytes`,
      next: 'Raise max.message.bytes of the topic, send less in one record, or keep large payloads of swarms elsewhere (WAGGLE_CLAIM_STORE).',
    })
  }
}

const keptMs = 60_000
