import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nameCode } from '../../../processor/state/name-code.ts'
import type { KeptValue } from '../../../processor/state/task-memory.ts'
import {
  maxEntriesOf,
  moveNote,
  type PositionNote,
  readPositionNote,
  refuseOversizedNote,
  writePositionNote,
} from '../../../processor/task/position-note.ts'

const nothing: PositionNote = { partitionTime: -1, streamTime: -1, kept: [], ahead: null }
const now = 1_760_000_000_123
/** A broker's limit on metadata. */
const maxBytes = 4096

describe('The note beside a committed position', () => {
  it('is decoded unchanged', () => {
    const kept: KeptValue[] = [
      ['a node.closed', 7, 'needed'],
      ['ä node.time', now, 'forgettable'],
      ['old', -3_000_000, 'learnt'],
      ['far', Number.MAX_SAFE_INTEGER, 'needed'],
      ['equal', 7, 'needed'],
    ]
    const ahead = { until: 2 ** 40, nodes: [[nameCode('step'), { offset: 4, skip: 1, done: 'Ag==' }] as const] }
    for (const note of [
      nothing,
      { ...nothing, partitionTime: 3, streamTime: 5 },
      { ...nothing, partitionTime: now, streamTime: Number.MAX_SAFE_INTEGER },
      { ...nothing, kept },
      { ...nothing, ahead },
      { ...nothing, streamTime: now, kept, ahead },
    ]) {
      const read = readPositionNote(writePositionNote(note))
      const coded = note.kept.map(([name, value]) => [nameCode(name), value] as const)
      assert.deepEqual({ ...read, kept: new Map(read.kept) }, { ...note, kept: new Map(coded) })
    }
  })

  it('names the same entries after its records have moved to other offsets', () => {
    const kept: KeptValue[] = [
      ['a node.closed', 7, 'needed'],
      ['ä node.time', now, 'forgettable'],
    ]
    const nodes = (by: number) => [
      [nameCode('step'), { offset: 104 - by, skip: 1, done: 'Ag==' }] as const,
      [1, { offset: 110 - by, skip: 0, done: '' }] as const,
    ]
    const note = (by: number) => ({ partitionTime: 3, streamTime: now, kept, ahead: { until: 120 - by, nodes: nodes(by) } })
    assert.equal(
      moveNote(writePositionNote(note(0)), (offset) => offset - 100),
      writePositionNote(note(100)),
    )
    const done = writePositionNote({ ...note(0), ahead: null })
    for (const text of ['', 'of another application', done])
      assert.equal(
        moveNote(text, () => 0),
        text,
      )
  })

  it('has room for the numbers of two hundred windowed counts', () => {
    const kept = Array.from({ length: 200 }, (_, at): KeptValue[] => [
      [`KSTREAM-AGGREGATE-${String(at).padStart(10, '0')}.time`, now, 'forgettable'],
      [`KSTREAM-AGGREGATE-STATE-STORE-${String(at).padStart(10, '0')}.time`, now - (now % (1000 * (at + 1))), 'learnt'],
    ]).flat()
    const text = writePositionNote({ ...nothing, partitionTime: now, streamTime: now, kept }, maxBytes)
    assert.ok(text.length <= maxBytes, `${text.length} characters`)
    assert.equal(readPositionNote(text).kept.length, 400)
  })

  it('first drops numbers that can be computed again, then numbers that Kafka Streams loses too, and never any other number', () => {
    const numbers = (worth: KeptValue[2], count: number): KeptValue[] => Array.from({ length: count }, (_, at) => [`${worth} ${at}`, at * 1e9, worth])
    const writes = (kept: KeptValue[]) => {
      const text = writePositionNote({ ...nothing, kept }, maxBytes)
      assert.ok(text.length <= maxBytes, `${text.length} characters`)
      return readPositionNote(text).kept.length
    }
    assert.equal(writes([...numbers('needed', 100), ...numbers('forgettable', 100), ...numbers('learnt', 100)]), 300)
    assert.equal(writes([...numbers('needed', 100), ...numbers('forgettable', 100), ...numbers('learnt', 1000)]), 200)
    assert.equal(writes([...numbers('needed', 100), ...numbers('forgettable', 1000), ...numbers('learnt', 10)]), 100)
  })

  it('has room for all needed numbers and all asynchronous nodes, otherwise the task is refused before it starts', () => {
    for (const [needed, nodes] of [
      [200, 0],
      [100, 1],
      [80, 3],
      [50, 20],
    ] as const) {
      refuseOversizedNote('0_0', { needed, nodes, maxBytes })
      const spread = Number.MAX_SAFE_INTEGER / needed
      const kept = Array.from({ length: needed }, (_, at): KeptValue => [`${at}`, Math.floor(at * spread), 'needed'])
      const done = Buffer.alloc(nodes === 0 ? 0 : Math.floor(maxEntriesOf(nodes) / 8), 0xff).toString('base64')
      const ahead =
        nodes === 0 ? null : { until: 2 ** 50, nodes: Array.from({ length: nodes }, (_, at) => [at, { offset: 2 ** 50, skip: 9, done }] as const) }
      const note = { partitionTime: now, streamTime: now, kept, ahead }
      const text = writePositionNote(note, maxBytes)
      assert.ok(text.length <= maxBytes, `${text.length} characters`)
      const read = readPositionNote(text)
      assert.equal(read.kept.length, needed)
      assert.deepEqual(read.ahead, ahead)
    }
    assert.throws(() => refuseOversizedNote('0_0', { needed: 300, nodes: 0, maxBytes }), { code: 'WAGGLE_POSITION_TOO_LONG' })
    assert.throws(() => refuseOversizedNote('0_0', { needed: 0, nodes: 100, maxBytes }), { code: 'WAGGLE_POSITION_TOO_LONG' })
    refuseOversizedNote('0_0', { needed: 10_000, nodes: 100, maxBytes: Number.POSITIVE_INFINITY })
  })

  it('drops entries of finished records if one record has made more entries than the note has room for', () => {
    const done = Buffer.alloc(10_000, 0xff).toString('base64')
    const text = writePositionNote({ ...nothing, ahead: { until: 9, nodes: [[1, { offset: 4, skip: 1, done }]] } }, maxBytes)
    assert.deepEqual(readPositionNote(text).ahead, { until: 9, nodes: [[1, { offset: 4, skip: 1, done: '' }]] })
  })

  it('is read as Kafka Streams’ partition time if Kafka Streams committed it', () => {
    const bytes = Buffer.alloc(13)
    bytes[0] = 2
    bytes.writeBigInt64BE(90_000n, 1)
    assert.deepEqual(readPositionNote(bytes.toString('base64')), { ...nothing, partitionTime: 90_000, streamTime: 90_000 })
    bytes[0] = 3
    assert.deepEqual(readPositionNote(bytes.toString('base64')), nothing)
  })

  it('is read as empty if another kind of program committed it', () => {
    for (const text of ['', 'abc', '17', '1 2', '{"kept":[]}', 'waggle', 'waggle:1', 'waggle:x:AA=='])
      assert.deepEqual(readPositionNote(text), nothing)
  })

  it('is refused if a later version wrote it, because finished records might be processed again', () => {
    assert.throws(() => readPositionNote('waggle:2:AAAA'), { code: 'WAGGLE_POSITION_VERSION' })
  })
})
