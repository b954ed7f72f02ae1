import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { FollowedParts } from '../../../ops/requests/followed-parts.ts'
import type { LogRecord } from '../../../processor/ports.ts'
import type { FoundPart, FoundParts } from '../../../processor/swarm/part-log.ts'
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

/** A young request, of whose parts the caller has none yet. */
const whole = {
  bees: ['chat'],
  since: () => 5,
  sent: () => new Map<string, number>(),
  isOld: () => false,
  onGap: () => assert.fail('there is a gap'),
}

const read = (records: readonly LogRecord[], isCut = false): FoundParts => ({ records: records.map(found), isCut })

const log = [recordAt(0, 'a', 'begin'), recordAt(1, 'a', 0), recordAt(2, 'a', 1), recordAt(5, 'b', 'begin'), recordAt(6, 'b', 2), recordAt(7, 'b', 3)]

describe('The parts of a followed request', () => {
  it('are passed on as they arrive, if all of them arrive', () => {
    const told: number[] = []
    const parts = new FollowedParts({ ...whole, past: async () => assert.fail('nothing is read'), listener: ({ number }) => told.push(number) })
    for (const record of log) parts.take(record)
    assert.deepEqual(told, [0, 1, 2, 3])
  })

  it('are read from the log if the first part to arrive is not the first part of all, and parts that arrive meanwhile wait', async () => {
    const told: number[] = []
    const reading = Promise.withResolvers<FoundParts>()
    const since: number[] = []
    const parts = new FollowedParts({
      ...whole,
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
    // The read found more than the parts that arrived, and less than the parts that will arrive.
    reading.resolve(read(log.slice(0, 4)))
    await done
    parts.take(recordAt(7, 'b', 3))
    assert.deepEqual([...new Set(told)], [0, 1, 2, 3])
    assert.equal(since[0], 5)
  })

  for (const [what, foreign] of [
    ['a bee that the swarm does not have', { ...call, bee: 'foreign', since: 9e15 }],
    ['a bee of the swarm in a round that never began, with a time in the future', { ...call, rounds: 'x', since: 9e15 }],
  ] as const)
    it(`are all passed on after a foreign record of ${what}`, async () => {
      const told: number[] = []
      const value = Buffer.from('"foreign"')
      const headers = partHeaders(foreign, 'x', 7, { kind: 'json', json: 'foreign' })
      const records = [...log.slice(0, 2), { offset: 2, timestamp: 0, key: Buffer.from('r'), value, headers }, recordAt(3, 'a', 1)]
      const parts = new FollowedParts({
        ...whole,
        past: async (since) => read(since > 5 ? [] : records.slice(0, 3)),
        listener: ({ number }) => told.push(number),
      })
      for (const record of records.slice(0, 3)) parts.take(record)
      await setImmediate()
      for (const record of [recordAt(3, 'a', 1), recordAt(4, 'a', 2)]) parts.take(record)
      assert.deepEqual([...new Set(told)], [0, 1, 2])
    })

  it('are read with the time of the request, and not with that of a record', async () => {
    const since: number[] = []
    const past = async (time: number) => {
      since.push(time)
      return read(log)
    }
    const parts = new FollowedParts({ ...whole, past, since: () => 3, listener: () => {} })
    parts.take(recordAt(2, 'a', 1))
    await parts.finish(3, { hasArrived: true, isFromStart: false })
    assert.deepEqual(new Set(since), new Set([3]))
  })

  it('are passed on at the end even if an earlier read failed', async () => {
    const told: number[] = []
    let tries = 0
    const parts = new FollowedParts({
      ...whole,
      past: async () => {
        if (tries++ === 0) throw new Error('the log is away')
        return read(log)
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
      ...whole,
      past: async () => read(log),
      listener: ({ number }) => told.push(number),
      isOver: () => told.length === 2,
    })
    await parts.catchUp(5)
    assert.deepEqual(told, [0, 1])
  })

  describe('and whose beginning the log has already deleted', () => {
    /** The reported numbers and `gap`, from a log that begins at the record `from`. */
    async function told(from: number, more: { readonly sent?: ReadonlyMap<string, number>; readonly isOld?: boolean } = {}) {
      const events: (number | 'gap')[] = []
      const sent = new Map(more.sent)
      const parts = new FollowedParts({
        ...whole,
        past: async () => read(log.slice(from), from > 0),
        isOld: () => more.isOld ?? true,
        sent: () => sent,
        listener: ({ number }) => {
          if (number < (sent.get('chat') ?? 0)) return
          sent.set('chat', number + 1)
          events.push(number)
        },
        onGap: () => events.push('gap'),
      })
      await parts.catchUp(5)
      parts.take(recordAt(8, 'b', 4))
      await parts.finish(5, { hasArrived: true, isFromStart: false })
      return events
    }

    it('report one gap to a caller that has no parts', async () => {
      assert.deepEqual(await told(0), [0, 1, 2, 3, 4])
      for (const from of [1, 2, 3, 4, 5, 6]) assert.deepEqual(await told(from), ['gap'], `from record ${from}`)
    })

    it('continue for a caller whose parts reach up to a part that the log still has', async () => {
      assert.deepEqual(await told(3, { sent: new Map([['chat', 2]]) }), [2, 3, 4])
      assert.deepEqual(await told(3, { sent: new Map([['chat', 4]]) }), [4])
      assert.deepEqual(await told(3, { sent: new Map([['chat', 1]]) }), ['gap'])
      assert.deepEqual(await told(5, { sent: new Map([['chat', 4]]) }), ['gap'])
    })

    it('report no gap if the request is young and the log has no part of a run that began earlier', async () => {
      const events = (isOld: boolean, from: number) => told(from, { isOld })
      assert.deepEqual([await events(false, 5), await events(true, 6)], [['gap'], ['gap']])
      const young = new FollowedParts({ ...whole, past: async () => read([], true), listener: () => assert.fail('there is no part') })
      await young.catchUp(5)
      const old: string[] = []
      const gone = new FollowedParts({
        ...whole,
        isOld: () => true,
        past: async () => read([], true),
        listener: () => {},
        onGap: () => old.push('gap'),
      })
      await gone.catchUp(5)
      await gone.catchUp(5)
      assert.deepEqual(old, ['gap'])
    })
  })
})
