import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { streamsDeadLetterHeaders } from '../../topology/dead-letter-headers.ts'
import { beeError } from '../../topology/swarm/request/bee-error.ts'
import { deadLetterHeaders } from '../../topology/swarm/request/dead-letter.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

function fail(): never {
  throw new Error('hostile')
}

const hostile: readonly unknown[] = [
  null,
  Symbol('a'),
  { toString: fail },
  Object.create(null),
  new Proxy({}, { get: fail, getPrototypeOf: fail }),
  Object.defineProperty(new Error('a'), 'message', { get: fail }),
  Object.defineProperty(new WaggleError('WAGGLE_PROCESSING_FAILED', { message: 'a', next: 'b' }), 'message', { get: fail }),
  Object.defineProperty(new Error('a'), 'stack', { get: fail }),
  new Error('x'.repeat(10_000_000)),
  new Error('\ud800'),
]
const place = { topic: 't', partition: 0, offset: 1n }

describe('A dead letter', () => {
  it('has an error text of limited length, whatever was thrown', () => {
    for (const thrown of hostile) {
      const error = WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: 'See the log.' })
      const headers = [
        ...deadLetterHeaders(error, 'bee', place),
        ...streamsDeadLetterHeaders(error, { ...place, node: 'n', taskId: '0_0', key: null, value: null, timestamp: 1, headers: [] }),
      ]
      for (const { key, value } of headers) assert.ok((value?.length ?? 0) < 20_000, key)
      const { detail } = beeError(error, 'bee').error
      assert.ok(detail.isWellFormed() && detail.length < 5_000)
    }
  })
})
