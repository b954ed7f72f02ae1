import type { Log } from '../../processor/ports.ts'
import { headerText } from '../../topology/record.ts'
import { deadLetterBeeHeader, deadLetterSettledHeader } from '../../topology/swarm/request/headers.ts'
import { settledOffset } from './open-letters.ts'
import type { RequestRecord } from './request-search.ts'
import { eachRun } from './topic-pages.ts'

/** An input that failed, and was sent again by a retry. */
interface RetriedInput {
  readonly bee: string
  /** The time of the retry, which is the timestamp of all records that result from the retry. */
  readonly retriedAt: number
}

/**
 * The retries of a request's dead letters, the oldest first. The settlement of a letter follows the letter in the same partition. The search reads at
 * most `maxRecords` records after the first letter of each partition.
 */
export async function retriedInputs(log: Log, letters: readonly RequestRecord[]): Promise<readonly RetriedInput[]> {
  const retried: RetriedInput[] = []
  for (const [place, own] of Map.groupBy(letters, ({ topic, partition }) => `${partition} ${topic}`)) {
    const [first] = own
    if (first === undefined) continue
    const topic = place.slice(place.indexOf(' ') + 1)
    const byOffset = new Map(own.map(({ record }) => [record.offset, record]))
    const end = (await log.topic(topic))?.offsets[first.partition]?.end ?? 0
    const from = first.record.offset + 1
    const to = Math.min(end, from + maxRecords)
    if (from >= to) continue
    await eachRun(log.read({ topic, partition: first.partition, from, to, skipsLargeValues: true }), async ({ records }) => {
      for (const record of records) {
        const letter = headerText(record.headers, deadLetterSettledHeader) === 'retried' ? byOffset.get(settledOffset(record) ?? -1) : undefined
        if (letter !== undefined) retried.push({ bee: headerText(letter.headers, deadLetterBeeHeader) ?? '', retriedAt: record.timestamp })
      }
      return 'go on'
    })
  }
  return retried.toSorted((a, b) => a.retriedAt - b.retriedAt)
}

const maxRecords = 10_000
