import { type LogManagement, managementLimits, type ShownRecord } from '../../topology/swarm/log-management.ts'

/** A dead letter of a DSL program. The headers of KIP-1034 contain the cause. */
export interface StreamsLetter {
  /** The place of the dead letter itself: `topic:partition:offset`. */
  readonly id: string
  readonly exception: string
  readonly cause: string
  /** The topic of the failed input; null for a failed punctuation, which has no input. */
  readonly topic: string | null
  readonly partition: number
  readonly offset: number
  /** The timestamp of the dead letter, in epoch milliseconds. */
  readonly timestamp: number
  readonly key: string | null
  readonly content: string | null
}

/** The dead letters in a program's `deadLetterTopic`, the newest first, at most `max`. Throws WAGGLE_MISSING_TOPIC if the topic does not exist. */
export async function streamsLetters(management: LogManagement, topic: string, max: number): Promise<readonly StreamsLetter[]> {
  let newest: readonly StreamsLetter[] = []
  for (let from = 'start'; ; ) {
    const { records, next } = await management.records(topic, { from, max: managementLimits.records, waitMs: 0 })
    if (records.length === 0) return newest
    newest = [...records.flatMap(letterOf).toReversed(), ...newest].toSorted((a, b) => b.timestamp - a.timestamp).slice(0, max)
    from = next
  }
}

/** The dead letter in a record; empty for any other record, because any client can write to the topic. */
function letterOf({ topic, partition, offset, timestamp, key, value, headers }: ShownRecord): readonly StreamsLetter[] {
  const said = (name: string) => headers[`__streams.errors.${name}`] ?? null
  const exception = said('exception')
  if (exception === null) return []
  return [
    {
      id: `${topic}:${partition}:${offset}`,
      exception,
      cause: said('message') ?? '',
      topic: said('topic'),
      partition: Number(said('partition') ?? -1),
      offset: Number(said('offset') ?? -1),
      timestamp,
      key,
      content: value,
    },
  ]
}
