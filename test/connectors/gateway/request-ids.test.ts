import assert from 'node:assert/strict'
import { it } from 'node:test'
import { RequestIds } from '../../../connectors/gateway/request-ids.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'

const requestIds = (secret = 1) => new RequestIds(systemClock, new SystemRandom(), new Uint8Array(32).fill(secret))

it('An id shows which caller made the request, in every process with the same secret', () => {
  for (const id of [requestIds().fresh('token:web'), requestIds().derived('door', 'token:web', 'key')]) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.equal(requestIds().isOf(id, 'token:web'), true)
    assert.equal(requestIds().isOf(id, 'token:other'), false)
    assert.equal(requestIds().isOf(id, ''), false)
    assert.equal(requestIds(2).isOf(id, 'token:web'), false)
  }
})

it('An id with one changed digit does not belong to the caller', () => {
  const id = requestIds().fresh('token:web')
  for (let at = 0; at < id.length; at++) {
    if (id[at] === '-' || at === 14) continue
    const other = `${id.slice(0, at)}${id[at] === '8' ? '9' : '8'}${id.slice(at + 1)}`
    assert.equal(requestIds().isOf(other, 'token:web'), false, other)
  }
})

it('An id without a caller’s mark belongs to no caller', () => {
  for (const id of [requestIds().fresh(), requestIds().derived('door', '', 'key'), '', 'id', '../id', 'A'.repeat(36)])
    assert.equal(requestIds().isOf(id, 'token:web'), false)
})

it('Two requests of a caller have different ids', () => {
  const ids = Array.from({ length: 100 }, () => requestIds().fresh('token:web'))
  assert.equal(new Set(ids).size, 100)
})
