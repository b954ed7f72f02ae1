import type { OffsetReset } from '../../topology/consumed.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Clock, Log, TopicPartition } from '../ports.ts'

export interface WithoutPosition extends TopicPartition {
  /** The committed position whose records are gone; null if no position was ever committed. */
  readonly was: number | null
}

/** The offset at which to start a partition whose position is missing or deleted (KIP-1106 for a duration). */
export async function startOffset(log: Log, clock: Clock, { topic, partition, was }: WithoutPosition, reset: OffsetReset): Promise<number> {
  const offsets = (await log.topic(topic))?.offsets[partition] ?? { start: 0, end: 0 }
  if (reset === 'earliest') return offsets.start
  if (reset === 'latest') return offsets.end
  if (reset === 'none' && was !== null) {
    throw new WaggleError('WAGGLE_POSITION_GONE', {
      message: `Offset ${was} of ${topic}, partition ${partition}, is not there: it has ${offsets.start} to ${offsets.end}, and its source has offsetReset none`,
      next: 'Set offsetReset to earliest or latest, or give the group a position within these offsets.',
    })
  }
  if (reset === 'none') {
    throw new WaggleError('WAGGLE_NO_POSITION', {
      message: `There is no committed position for ${topic}, partition ${partition}, and its source has offsetReset none`,
      next: 'Set offsetReset to earliest or latest, or give the group a position.',
    })
  }
  const since = clock.now() - reset.byDurationMs
  for await (const { records } of log.read({ topic, partition, from: offsets.start, to: offsets.end })) {
    const first = records.find(({ timestamp }) => timestamp >= since)
    if (first !== undefined) return first.offset
  }
  return offsets.end
}
