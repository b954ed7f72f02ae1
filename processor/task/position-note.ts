import { WaggleError } from '../../topology/waggle-error.ts'
import type { Ahead, Unfinished } from '../async/unfinished.ts'
import { nameCode } from '../state/name-code.ts'
import type { KeptValue, Worth } from '../state/task-memory.ts'
import { NoteBytes, NoteReader } from './note-bytes.ts'

/**
 * What a task commits with each of its positions, as text, so that it goes on from there as it would have: the partition's time, the
 * task's, the numbers that operators and stores keep, and what asynchronous nodes had not finished.
 */
export interface PositionNote {
  readonly partitionTime: number
  readonly streamTime: number
  readonly kept: readonly KeptValue[]
  /** Null where all that was read is done. */
  readonly ahead: Ahead | null
}

/** As it is read: numbers have the codes of their names. */
export type ReadNote = Omit<PositionNote, 'kept'> & { readonly kept: readonly (readonly [code: number, value: number])[] }

/**
 * At most `maxBytes`, since a broker takes no more (`offset.metadata.max.bytes`): where not all of it fits, what can best be done
 * without is left out. Behind the version in base64:
 *
 *     partition time, task's time           signed varints
 *     numbers                               varint how many values; each: what it is more than the one before, signed, varint how many
 *                                           have it, their names' codes u32
 *     unfinished                            nothing where all is done; else until, varint how many nodes; each: code u32, offset, skip,
 *                                           varint how many bytes of bits, those
 */
export function writePositionNote(note: PositionNote, maxBytes = Number.POSITIVE_INFINITY): string {
  for (const left of leavings) {
    const kept = note.kept.filter(([, , worth]) => !left.includes(worth))
    const text = written({ ...note, kept })
    if (text.length <= maxBytes) return text
  }
  // Of more entries than there are places: those of one record. What is not said to be done is done again.
  const kept = note.kept.filter(([, , worth]) => worth === 'needed')
  return written({ ...note, kept, ahead: note.ahead && withoutBits(note.ahead) })
}

/**
 * Of Kafka Streams' own metadata the time is known; of other text (another application's, or none) nothing. What a later version wrote
 * is refused: to go on without it could do again what is done.
 */
export function readPositionNote(text: string): ReadNote {
  const time = timeOfKafkaStreams(text)
  if (time !== null) return { partitionTime: time, streamTime: time, kept: [], ahead: null }
  const [, version, body = ''] = pattern.exec(text) ?? []
  if (version === undefined) return { partitionTime: -1, streamTime: -1, kept: [], ahead: null }
  if (version !== String(noteVersion)) throw unknownVersion(version)
  return read(new NoteReader(Buffer.from(body, 'base64')))
}

/** Whether whatever is needed fits for good: asked before a task begins, since a commit that is refused would be refused again. */
export function refuseWhatCannotFit(task: string, { needed, nodes, maxBytes }: { needed: number; nodes: number; maxBytes: number }): void {
  const bytes = timesBytes + needed * numberBytes + nodes * nodeBytes + (nodes === 0 ? 0 : placesOfAll / 8)
  if (prefix.length + Math.ceil(bytes / 3) * 4 <= maxBytes) return
  throw new WaggleError('WAGGLE_POSITION_TOO_LONG', {
    message: `Task ${task} has ${needed} numbers and ${nodes} asynchronous nodes to keep beside its position, where ${maxBytes} bytes are the bound`,
    next: 'Put a repartition() before some of its aggregations, so that they are a sub-topology of their own.',
  })
}

/** Entries, a bit each, that one of so many asynchronous nodes of a task may have between its oldest and its latest. */
export function placesOf(nodes: number): number {
  return Math.min(4096, Math.floor(placesOfAll / nodes))
}

function written({ partitionTime, streamTime, kept, ahead }: PositionNote): string {
  const bytes = new NoteBytes().signed(partitionTime).signed(streamTime)
  const byValue = [...Map.groupBy(kept, ([, value]) => value)].sort(([one], [other]) => one - other)
  bytes.whole(byValue.length)
  let before = streamTime
  for (const [value, ones] of byValue) {
    bytes.signed(value - before).whole(ones.length)
    for (const [name] of ones) bytes.code(nameCode(name))
    before = value
  }
  if (ahead !== null) {
    bytes.whole(ahead.until).whole(ahead.nodes.length)
    for (const [code, { offset, skip, done }] of ahead.nodes) bytes.code(code).whole(offset).whole(skip).block(Buffer.from(done, 'base64'))
  }
  return `${prefix}${bytes.done().toString('base64')}`
}

function read(bytes: NoteReader): ReadNote {
  const partitionTime = bytes.signed()
  const streamTime = bytes.signed()
  const kept: [number, number][] = []
  let value = streamTime
  for (let values = bytes.whole(); values > 0 && !bytes.isDone; values--) {
    value += bytes.signed()
    for (let names = bytes.whole(); names > 0 && !bytes.isDone; names--) kept.push([bytes.code(), value])
  }
  if (bytes.isDone) return { partitionTime, streamTime, kept, ahead: null }
  const until = bytes.whole()
  const nodes: [number, Unfinished][] = []
  for (let left = bytes.whole(); left > 0 && !bytes.isDone; left--) {
    const code = bytes.code()
    nodes.push([code, { offset: bytes.whole(), skip: bytes.whole(), done: Buffer.from(bytes.block()).toString('base64') }])
  }
  return { partitionTime, streamTime, kept, ahead: { until, nodes } }
}

function withoutBits({ until, nodes }: Ahead): Ahead {
  return { until, nodes: nodes.map(([code, { offset, skip }]) => [code, { offset, skip, done: '' }]) }
}

function unknownVersion(version: string): WaggleError {
  return new WaggleError('WAGGLE_POSITION_VERSION', {
    message: `A position was committed with a note in version ${version}, and this process reads version ${noteVersion}`,
    next: 'Run the version of Waggle that committed it, or a later one.',
  })
}

/** `TopicPartitionMetadata`, in base64: version i8, of which 1 and 2 are known, time i64, and what processors keep. */
function timeOfKafkaStreams(text: string): number | null {
  const bytes = Buffer.from(text, 'base64')
  const isKnown = bytes.length >= 9 && (bytes[0] === 1 || bytes[0] === 2) && bytes.toString('base64') === text
  return isKnown ? Number(bytes.readBigInt64BE(1)) : null
}

const noteVersion = 1
const prefix = `waggle:${noteVersion}:`
const pattern = /^waggle:(\d+):([A-Za-z0-9+/=]*)$/
/** What is left out first, and then besides. */
const leavings: readonly (readonly Worth[])[] = [[], ['learnt'], ['learnt', 'forgettable']]
/** Entries of all asynchronous nodes of a task together: half of what there is room for. */
const placesOfAll = 12_288
/** At the most. */
const timesBytes = 20
const numberBytes = 14
const nodeBytes = 24
