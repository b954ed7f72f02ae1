import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FollowedParts } from '../../../ops/requests/followed-parts.ts'
import type { LogRecord } from '../../../processor/ports.ts'
import type { FoundPart } from '../../../processor/swarm/part-log.ts'
import { type PartRecord, partHeaders, partRecordOf } from '../../../topology/swarm/request/part.ts'

const call = { bee: 'chat', id: 'r', rounds: '', since: 5 }

function recordAt(offset: number, run: string, number: PartRecord['number']): LogRecord {
  const part = typeof number === 'number' ? ({ kind: 'json', json: number } as const) : null
  const value = part === null ? null : Buffer.from(JSON.stringify(part.json))
  return { offset, timestamp: 0, key: Buffer.from('r'), value, headers: partHeaders(call, run, number, part) }
}

function found(record: LogRecord): FoundPart {
  return { record, part: partRecordOf(record.headers) ?? assert.fail('no part') }
}

const log = [recordAt(0, 'a', 'begin'), recordAt(1, 'a', 0), recordAt(2, 'a', 1), recordAt(5, 'b', 'begin'), recordAt(6, 'b', 2), recordAt(7, 'b', 3)]

describe('The parts of a followed request', () => {
  it('are passed on as they arrive, if all of them arrive', () => {
    const told: number[] = []
    const parts = new FollowedParts({ past: async () => assert.fail('nothing is read'), listener: ({ number }) => told.push(number) })
    for (const record of log) parts.take(record)
    assert.deepEqual(told, [0, 1, 2, 3])
  })

  it('are read from the log if the first part to arrive is not the first part of all, and parts that arrive meanwhile wait', async () => {
    const told: number[] = []
    const reading = Promise.withResolvers<readonly FoundPart[]>()
    const since: number[] = []
    const parts = new FollowedParts({
      past: (time) => {
        since.push(time)
        return reading.promise
      },
      listener: ({ number }) => told.push(number),
    })
    parts.take(recordAt(2, 'a', 1))
    parts.take(recordAt(5, 'b', 'begin'))
    parts.take(recordAt(6, 'b', 2))
    assert.deepEqual(told, [])
    const done = parts.catchUp(5)
    // The read has found more parts than have arrived, and fewer than will arrive.
    reading.resolve(log.slice(0, 4).map(found))
    await done
    parts.take(recordAt(7, 'b', 3))
    assert.deepEqual([...new Set(told)], [0, 1, 2, 3])
    assert.equal(since[0], 5)
  })

  it('are passed on at the end even if an earlier read failed', async () => {
    const told: number[] = []
    let tries = 0
    const parts = new FollowedParts({
      past: async () => {
        if (tries++ === 0) throw new Error('the log is away')
        return log.map(found)
      },
      listener: ({ number }) => told.push(number),
    })
    parts.take(recordAt(2, 'a', 1))
    await parts.catchUp(5)
    assert.deepEqual([...new Set(told)], [0, 1, 2, 3])
  })

  it('are not judged any more when the caller accepts no more parts', async () => {
    const told: number[] = []
    const parts = new FollowedParts({
      past: async () => log.map(found),
      listener: ({ number }) => told.push(number),
      isOver: () => told.length === 2,
    })
    await parts.catchUp(5)
    assert.deepEqual(told, [0, 1])
  })
})
