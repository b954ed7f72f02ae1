import { type Management, managementLimits, type ShownRecord } from '../../topology/swarm/management.ts'

/** A dead letter of a program of the DSL, with the cause in the headers of KIP-1034. */
export interface StreamsLetter {
  /** `topic:partition:offset`, of the letter itself. */
  readonly id: string
  readonly exception: string
  readonly cause: string
  /** The place of the input that failed; null in a punctuation. */
  readonly topic: string | null
  readonly partition: number
  readonly offset: number
  /** Epoch milliseconds. */
  readonly timestamp: number
  readonly key: string | null
  readonly content: string | null
}

/** The letters in a program's `deadLetterTopic`, the newest first, at most `max`. Throws WAGGLE_MISSING_TOPIC. */
export async function streamsLetters(management: Management, topic: string, max: number): Promise<readonly StreamsLetter[]> {
  let newest: readonly StreamsLetter[] = []
  for (let from = 'start'; ; ) {
    const { records, next } = await management.records(topic, { from, max: managementLimits.records, waitMs: 0 })
    if (records.length === 0) return newest
    newest = [...records.flatMap(letterOf).toReversed(), ...newest].toSorted((a, b) => b.timestamp - a.timestamp).slice(0, max)
    from = next
  }
}

/** Empty for a record that is no letter: anybody may write to the topic. */
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
