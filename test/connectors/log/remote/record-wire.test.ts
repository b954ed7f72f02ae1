import assert from 'node:assert/strict'
import { it } from 'node:test'
import { packRuns, unpackRuns } from '../../../../connectors/log/remote/record-wire.ts'
import { bytesIn, DamagedValue, type RecordValue, valueBytes } from '../../../../processor/ports.ts'
import { Unavailable, WaggleError } from '../../../../topology/waggle-error.ts'

const error = new WaggleError('WAGGLE_LOG_CORRUPT', { message: 'part 7 is damaged', next: 'Skip it.' })

it('A damaged value arrives in another thread as damaged and with its error, and the neighbouring records stay intact', () => {
  const values: readonly (RecordValue | null)[] = [Buffer.from('before'), new DamagedValue(error), null, Buffer.from('')]
  const records = values.map((value, offset) => ({ offset, timestamp: offset, key: Buffer.from('k'), value, headers: [{ key: 'h', value: null }] }))
  const [run] = unpackRuns(packRuns([{ topic: 'in', partition: 3, seeks: 1, records }]))
  const [before, damaged, none, empty] = run?.records.map(({ value }) => value) ?? []
  assert.equal(Buffer.from(bytesIn(before ?? null) ?? []).toString(), 'before')
  assert.ok(damaged instanceof DamagedValue)
  assert.deepEqual(
    [damaged.error.code, damaged.error.message, damaged.error.next, damaged.error instanceof Unavailable],
    [error.code, error.message, error.next, false],
  )
  assert.equal(none, null)
  assert.equal(bytesIn(empty ?? null)?.length, 0)
  assert.deepEqual(
    run?.records.map(({ headers }) => headers),
    records.map(({ headers }) => headers),
  )
})

it('A damaged value is not treated as empty: reading its bytes throws its error, and its size counts as 0', () => {
  assert.throws(() => bytesIn(new DamagedValue(error)), error)
  assert.equal(valueBytes(new DamagedValue(error)), 0)
})
