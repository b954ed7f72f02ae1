import { WaggleError } from '../../topology/waggle-error.ts'
import type { Ahead, Unfinished } from '../async/unfinished-entries.ts'
import { nameCode } from '../state/name-code.ts'
import type { KeptValue, Worth } from '../state/task-memory.ts'
import { NoteBytes, NoteReader } from './note-bytes.ts'

/**
 * The note that a task commits beside each of its positions, as text. The note contains everything that the task needs to go on: the partition's
 * time, the task's time, the numbers of operators and stores, and the unfinished entries of asynchronous nodes.
 */
export interface PositionNote {
  readonly partitionTime: number
  readonly streamTime: number
  readonly kept: readonly KeptValue[]
  /** The unfinished entries of asynchronous nodes; null if all records that were read are done. */
  readonly ahead: Ahead | null
}

/** A note as it is read. Numbers have the codes of their names. */
export type ReadNote = Omit<PositionNote, 'kept'> & { readonly kept: readonly (readonly [code: number, value: number])[] }

/**
 * Writes a note of at most `maxBytes`, which is the brokers' limit (`offset.metadata.max.bytes`). If the note is too long, the least important part
 * is left out. Layout after the version, in base64:
 *
 *     partition time, task's time           signed varints
 *     numbers                               varint: count of values; each: its difference to the one before, signed; varint: count of its
 *                                           names; their codes u32
 *     unfinished                            empty if all is done; else until, varint: count of nodes; each: code u32, offset, skip,
 *                                           varint: count of bytes of bits, the bits
 */
export function writePositionNote(note: PositionNote, maxBytes = Number.POSITIVE_INFINITY): string {
  for (const left of leftOut) {
    const text = written(coded(left.length === 0 ? note : { ...note, kept: note.kept.filter(([, , worth]) => !left.includes(worth)) }))
    if (text.length <= maxBytes) return text
  }
  // One record can have more entries than there are slots. An entry that the note does not list as done is done again.
  const kept = note.kept.filter(([, , worth]) => worth === 'needed')
  return written(coded({ ...note, kept, ahead: note.ahead && withoutBits(note.ahead) }))
}

/**
 * The same note for a partition that holds the same records in the same order at other offsets. A note without unfinished entries names no offsets.
 */
export function moveNote(text: string, offsetOf: (offset: number) => number): string {
  const note = readPositionNote(text)
  if (note.ahead === null) return text
  const { until, nodes } = note.ahead
  const moved = nodes.map(([code, unfinished]) => [code, { ...unfinished, offset: offsetOf(unfinished.offset) }] as const)
  return written({ ...note, ahead: { until: offsetOf(until), nodes: moved } })
}

/**
 * Reads a note. A note that Kafka Streams wrote gives only the time. Any other text (of another application, or empty) gives nothing. A note of a
 * later version is refused, because finished work could be done again without its content.
 */
export function readPositionNote(text: string): ReadNote {
  const time = timeOfKafkaStreams(text)
  if (time !== null) return { partitionTime: time, streamTime: time, kept: [], ahead: null }
  const [, version, body = ''] = pattern.exec(text) ?? []
  if (version === undefined) return { partitionTime: -1, streamTime: -1, kept: [], ahead: null }
  if (version !== String(noteVersion)) throw unknownVersion(version)
  return read(new NoteReader(Buffer.from(body, 'base64')))
}

/**
 * Refuses a task whose needed numbers cannot fit into a note. The check comes before the task begins, because otherwise every commit would be
 * refused.
 */
export function refuseOversizedNote(task: string, { needed, nodes, maxBytes }: { needed: number; nodes: number; maxBytes: number }): void {
  const bytes = timesBytes + needed * numberBytes + nodes * nodeBytes + (nodes === 0 ? 0 : maxEntriesOfAll / 8)
  if (prefix.length + Math.ceil(bytes / 3) * 4 <= maxBytes) return
  throw new WaggleError('WAGGLE_POSITION_TOO_LONG', {
    message: `The position note of task ${task} would exceed ${maxBytes} bytes: it must hold ${needed} numbers and ${nodes} asynchronous nodes`,
    next: 'Put a repartition() before some aggregations of the task, so that these aggregations are a sub-topology of their own.',
  })
}

/**
 * The number of slots of one asynchronous node, in a task with `nodes` asynchronous nodes. The slots are the entries from the node's oldest
 * unfinished entry to its latest entry. Each slot takes a bit.
 */
export function maxEntriesOf(nodes: number): number {
  return Math.min(4096, Math.floor(maxEntriesOfAll / nodes))
}

function coded(note: PositionNote): ReadNote {
  return { ...note, kept: note.kept.map(([name, value]) => [nameCode(name), value] as const) }
}

function written({ partitionTime, streamTime, kept, ahead }: ReadNote): string {
  const bytes = new NoteBytes().signed(partitionTime).signed(streamTime)
  const byValue = [...Map.groupBy(kept, ([, value]) => value)].sort(([one], [other]) => one - other)
  bytes.whole(byValue.length)
  let before = streamTime
  for (const [value, ones] of byValue) {
    bytes.signed(value - before).whole(ones.length)
    for (const [code] of ones) bytes.code(code)
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
    next: 'Run the version of Waggle that committed the position, or a later version.',
  })
}

/** Reads Kafka Streams' `TopicPartitionMetadata` in base64: version i8 (1 and 2 are known), time i64, and the numbers of processors. */
function timeOfKafkaStreams(text: string): number | null {
  const bytes = Buffer.from(text, 'base64')
  const isKnown = bytes.length >= 9 && (bytes[0] === 1 || bytes[0] === 2) && bytes.toString('base64') === text
  return isKnown ? Number(bytes.readBigInt64BE(1)) : null
}

const noteVersion = 1
const prefix = `waggle:${noteVersion}:`
const pattern = /^waggle:(\d+):([A-Za-z0-9+/=]*)$/
/** The kinds of numbers that the first, second and third attempt leave out. */
const leftOut: readonly (readonly Worth[])[] = [[], ['learnt'], ['learnt', 'forgettable']]
/** The number of slots of all asynchronous nodes of a task together. These slots take half of the room of a note. */
const maxEntriesOfAll = 12_288
/** The greatest length of both times together. */
const timesBytes = 20
const numberBytes = 14
const nodeBytes = 24
