import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type PartRecord, PartSequence, partHeaders, partRecordOf } from '../../../../topology/swarm/request/part.ts'

const record = (run: string, number: PartRecord['number'], { bee = 'chat', rounds = '' } = {}): PartRecord => ({ bee, rounds, run, number, since: 0 })

function taken(records: readonly PartRecord[]): readonly (boolean | 'missing')[] {
  const sequence = new PartSequence()
  return records.map((one) => sequence.take(one))
}

describe('The parts of a call', () => {
  it('count from 0, and each number counts once', () => {
    assert.deepEqual(taken([record('a', 'begin'), record('a', 0), record('a', 1), record('a', 1), record('a', 0), record('a', 2)]), [
      false,
      true,
      true,
      false,
      false,
      true,
    ])
  })

  it('are those of the run that began last: an older run that goes on adds no parts', () => {
    const records = [record('a', 'begin'), record('a', 0), record('b', 'begin'), record('a', 1), record('b', 1), record('a', 2), record('b', 2)]
    assert.deepEqual(taken(records), [false, true, false, false, true, false, true])
  })

  it('are kept apart by bee and by round', () => {
    const [one, two] = [{ rounds: 'loop=1' }, { rounds: 'loop=2' }]
    const other = { bee: 'other' }
    const records = [
      record('a', 'begin', one),
      record('b', 'begin', two),
      record('c', 'begin', other),
      record('a', 0, one),
      record('b', 0, two),
      record('c', 0, other),
    ]
    assert.deepEqual(taken(records), [false, false, false, true, true, true])
  })

  it('end when the latest run fails, also for later runs, but not when an older run fails', () => {
    assert.deepEqual(taken([record('a', 'begin'), record('a', 0), record('a', 'fail'), record('b', 'begin'), record('b', 1)]), [
      false,
      true,
      false,
      false,
      false,
    ])
    assert.deepEqual(taken([record('a', 'begin'), record('b', 'begin'), record('a', 'fail'), record('b', 0)]), [false, false, false, true])
  })

  it('cannot be counted without the records before them', () => {
    assert.deepEqual(taken([record('a', 3), record('a', 'begin'), record('a', 3)]), ['missing', false, 'missing'])
  })

  it('are described by the headers of their records, and a foreign record is no part', () => {
    const call = { bee: 'chat', id: 'r', rounds: 'loop=1', since: 123 }
    const { bee, rounds, since } = call
    assert.deepEqual(partRecordOf(partHeaders(call, 'a', 4, { kind: 'json', json: 1 })), { bee, rounds, since, run: 'a', number: 4 })
    for (const headers of [[], [{ key: 'waggle-part-bee', value: Buffer.from('chat') }]]) assert.equal(partRecordOf(headers), null)
  })
})
