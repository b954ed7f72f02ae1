import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type PositionNote, readPositionNote, writePositionNote } from '../../../processor/task/position-note.ts'

const nothing: PositionNote = { partitionTime: -1, streamTime: -1, kept: [], ahead: null }

describe('What is committed beside a position', () => {
  it('reads as it was written', () => {
    const kept = [['a node.]] {.time', 7] as const]
    const ahead = { until: 9, nodes: { step: { offset: 4, skip: 1, done: 'Ag==' } } }
    for (const note of [
      nothing,
      { ...nothing, partitionTime: 3, streamTime: 5 },
      { ...nothing, kept },
      { ...nothing, ahead },
      { ...nothing, kept, ahead },
    ])
      assert.deepEqual(readPositionNote(writePositionNote(note)), note)
  })

  it('is two numbers where there is nothing more to say', () => {
    assert.equal(writePositionNote({ ...nothing, partitionTime: 3, streamTime: 5 }), '3 5')
  })

  it('is Kafka Streams’ time where that has committed it', () => {
    const bytes = Buffer.alloc(13)
    bytes[0] = 2
    bytes.writeBigInt64BE(90_000n, 1)
    assert.deepEqual(readPositionNote(bytes.toString('base64')), { ...nothing, partitionTime: 90_000, streamTime: 90_000 })
    bytes[0] = 3
    assert.deepEqual(readPositionNote(bytes.toString('base64')), nothing)
  })

  it('says nothing where it is somebody else’s', () => {
    for (const text of ['', 'abc', '17', '{"kept":[]}', '1 2 3', '1 2 {"offset":4}', '1 2 []']) assert.deepEqual(readPositionNote(text), nothing)
  })
})
