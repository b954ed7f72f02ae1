import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { timeText } from '../../../ops/cli/time-text.ts'

describe('timeText', () => {
  it('writes a timestamp as a date in UTC', () => {
    assert.deepEqual([0, -1, 1_700_000_000_000.5, 8.64e15].map(timeText), [
      '1970-01-01T00:00:00.000Z',
      '1969-12-31T23:59:59.999Z',
      '2023-11-14T22:13:20.000Z',
      '+275760-09-13T00:00:00.000Z',
    ])
  })

  it('writes a timestamp that is not a date as a number', () => {
    assert.deepEqual([9e15, -9e15, 2 ** 63, Number.NaN].map(timeText), ['9000000000000000', '-9000000000000000', '9223372036854776000', 'NaN'])
  })
})
