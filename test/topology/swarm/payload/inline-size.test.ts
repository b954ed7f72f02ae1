import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isLargerThan } from '../../../../topology/swarm/payload/inline-size.ts'
import { payloadSerde } from '../../../../topology/swarm/payload/payload-serde.ts'
import { propertyRuns } from '../../../support/property-runs.ts'

describe('The size of a payload', () => {
  it('of JSON is compared exactly, whatever its texts, numbers and names are', () => {
    const bytes = fc.integer({ min: 0, max: 300 })
    fc.assert(
      fc.property(fc.jsonValue(), bytes, (json, most) => {
        const length = payloadSerde.serialize('', { kind: 'json', json }).length
        for (const limit of [most, length - 1, length, length + 1]) assert.equal(isLargerThan({ kind: 'json', json }, limit), length > limit)
      }),
      { numRuns: propertyRuns(1_000) },
    )
    for (const json of [
      [[], {}],
      { a: {}, b: [] },
      { at: new Date(0) },
      Array(50).fill([]),
      '\u0000'.repeat(50),
      '\ud83d\udc3b'.repeat(50),
      -1.7976931348623157e308,
      Array(50).fill(-1.7976931348623157e308),
    ])
      assert.equal(isLargerThan({ kind: 'json', json }, payloadSerde.serialize('', { kind: 'json', json }).length - 1), true)
  })

  it('of an error is never too large, because an error travels in the log', () => {
    const error = { code: 'WAGGLE_BEE_FAILED', status: 502, title: 'no', detail: 'x'.repeat(4_000), bee: 'b' }
    assert.equal(isLargerThan({ kind: 'error', error }, 10), false)
  })
})
