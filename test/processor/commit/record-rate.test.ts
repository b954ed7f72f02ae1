import assert from 'node:assert/strict'
import { it } from 'node:test'
import { RecordRate } from '../../../processor/commit/record-rate.ts'

it('A thread counts as busy for up to two seconds after the record that makes it busy', () => {
  const rate = new RecordRate(10)
  assert.equal(rate.isLow(0), true)
  rate.add(9, 0)
  assert.equal(rate.isLow(500), true)
  rate.add(1, 600)
  assert.equal(rate.isLow(600), false)
  assert.equal(rate.isLow(1500), false, 'the second before counts too')
  assert.equal(rate.isLow(2600), true)
  rate.add(5, 2700)
  rate.add(6, 3650)
  assert.equal(rate.isLow(3650), true, 'five and six in two seconds are few')
})
