import type { Ahead } from '../async/unfinished.ts'

/**
 * What a task commits with each of its positions, as text, so that it goes on from there as it would have: the partition's time, the
 * task's, the numbers that operators and stores keep, and what asynchronous nodes had not finished.
 */
export interface PositionNote {
  readonly partitionTime: number
  readonly streamTime: number
  readonly kept: readonly (readonly [name: string, value: number])[]
  /** Null where all that was read is done. */
  readonly ahead: Ahead | null
}

/** Short, since a broker takes some thousand bytes of it. */
export function writePositionNote({ partitionTime, streamTime, kept, ahead }: PositionNote): string {
  const times = `${partitionTime} ${streamTime}`
  if (ahead !== null) return `${times} ${JSON.stringify({ kept, ahead })}`
  return kept.length === 0 ? times : `${times} ${JSON.stringify(kept)}`
}

/** Of Kafka Streams' own metadata the time is known; of other text (another application's, or none) nothing. */
export function readPositionNote(text: string): PositionNote {
  const time = timeOfKafkaStreams(text)
  if (time !== null) return { partitionTime: time, streamTime: time, kept: [], ahead: null }
  const [, partitionTime = '-1', streamTime = '-1', more = '[]'] = pattern.exec(text) ?? []
  const times = { partitionTime: Number(partitionTime), streamTime: Number(streamTime) }
  const said = JSON.parse(more) as PositionNote['kept'] | Pick<PositionNote, 'kept' | 'ahead'>
  return 'ahead' in said ? { ...times, ...said } : { ...times, kept: said, ahead: null }
}

const pattern = /^(-?\d+) (-?\d+)(?: (\[\[.*\]\]|\{"kept":.*\}))?$/

/** `TopicPartitionMetadata`, in base64: version i8, of which 1 and 2 are known, time i64, and what processors keep. */
function timeOfKafkaStreams(text: string): number | null {
  const bytes = Buffer.from(text, 'base64')
  const isKnown = bytes.length >= 9 && (bytes[0] === 1 || bytes[0] === 2) && bytes.toString('base64') === text
  return isKnown ? Number(bytes.readBigInt64BE(1)) : null
}
