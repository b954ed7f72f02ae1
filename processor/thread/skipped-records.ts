import { WaggleError } from '../../topology/waggle-error.ts'
import type { Metric } from '../metrics/meters.ts'
import { type Gap, partitionName } from '../ports.ts'

interface SkippedPlace {
  readonly gap: Gap
  readonly records: number
}

/** Counts and reports the records that a log deleted before a thread read them. */
export class SkippedRecords {
  readonly #thread: string
  readonly #onSkipped: (error: WaggleError) => void
  readonly #places = new Map<string, SkippedPlace>()

  constructor(thread: string, onSkipped: (error: WaggleError) => void) {
    this.#thread = thread
    this.#onSkipped = onSkipped
  }

  /** Counts a gap. Each offset is reported once, even if a thread rolls back and meets the same gap again. */
  add(gap: Gap, cause?: Error): void {
    const before = this.#places.get(partitionName(gap))
    const isAnother = gap.to < gap.from
    const from = before === undefined || isAnother || before.gap.to < before.gap.from ? gap.from : Math.max(gap.from, before.gap.to)
    if (!isAnother && from >= gap.to) return
    if (isAnother && before?.gap.from === gap.from && before.gap.to === gap.to) return
    const records = isAnother ? 0 : gap.to - from
    this.#places.set(partitionName(gap), { gap: { ...gap, from }, records: (before?.records ?? 0) + records })
    this.#onSkipped(recordsLost({ ...gap, from }, cause))
  }

  get metrics(): readonly Metric[] {
    return [...this.#places.values()].map(({ gap: { topic, partition }, records }) => ({
      group: 'stream-thread-metrics',
      name: lostRecordsTotal,
      tags: { 'thread-id': this.#thread, topic, partition: String(partition) },
      value: records,
    }))
  }
}

export const lostRecordsTotal = 'lost-records-total'

export function recordsLost({ topic, partition, from, to }: Gap, cause?: Error): WaggleError {
  const place = `${topic}, partition ${partition}`
  if (cause !== undefined) {
    return new WaggleError('WAGGLE_RECORDS_LOST', {
      message: `Offsets ${from} to ${to - 1} of ${place}, are skipped: ${cause.message}`,
      next: 'Find out who writes there, and let only programs write that you trust.',
      cause,
    })
  }
  if (to < from) {
    return new WaggleError('WAGGLE_RECORDS_LOST', {
      message: `Offset ${from} of ${place}, is past its end: the topic was made anew or cut, and reading goes on at offset ${to}`,
      next: 'Find out who deleted the topic, or which broker came back without its records. Send again what was not processed.',
    })
  }
  return new WaggleError('WAGGLE_RECORDS_LOST', {
    message: `Offsets ${from} to ${to - 1} of ${place}, are skipped: ${to - from === 1 ? 'the record was' : `up to ${to - from} records were`} deleted before anybody read them here`,
    next: 'Give the topic a longer retention, or its readers more processes. Send the records again if you still have them.',
  })
}
