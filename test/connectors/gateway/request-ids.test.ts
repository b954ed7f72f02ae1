import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RequestIdsOptions } from '../../../connectors/gateway/request-ids.ts'
import { partitionForKey } from '../../../topology/partitioner.ts'
import { requestIds as idsWith } from '../../support/request-ids.ts'

const requestIds = (secret = 1, options: Partial<RequestIdsOptions> = {}) => idsWith({ secret: new Uint8Array(32).fill(secret), ...options })

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

describe('Ids for the partitions of one process', () => {
  const partitionsOf = (partitions: number, { caller = '', count = 64 }) => {
    const ids = requestIds(1, { partitions })
    const made = Array.from({ length: count }, () => ids.fresh(caller))
    assert.equal(new Set(made).size, count)
    for (const id of made) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    if (caller !== '') for (const id of made) assert.ok(requestIds().isOf(id, caller) && !requestIds().isOf(id, 'token:other'))
    return made.map((id) => partitionForKey(Buffer.from(id), partitions))
  }

  for (const caller of ['', 'token:web'])
    describe(caller === '' ? 'without a caller' : 'with a caller', () => {
      for (const partitions of [1, 3, 4, 64, 256])
        it(`fall into one of ${partitions} partitions, 64 after each other`, () => {
          assert.equal(new Set(partitionsOf(partitions, { caller })).size, 1)
        })

      it('fall into four of 1,024 partitions, 64 after each other', () => {
        const chosen = new Set(partitionsOf(1024, { caller }))
        assert.ok(chosen.size <= 4)
        assert.equal(new Set([...chosen].map((partition) => partition % 256)).size, 1)
      })

      it('reach all partitions in turn', () => {
        const chosen = partitionsOf(4, { caller, count: 256 })
        assert.deepEqual(
          [0, 1, 2, 3].map((partition) => chosen.filter((one) => one === partition).length),
          [64, 64, 64, 64],
        )
      })
    })

  it('are the same for an idempotency key as without partitions', () => {
    for (const caller of ['', 'token:web'])
      assert.equal(requestIds(1, { partitions: 8 }).derived('door', caller, 'key'), requestIds().derived('door', caller, 'key'))
  })
})

it('Ids on a cluster are spread over the partitions', () => {
  for (const caller of ['', 'token:web']) {
    const ids = requestIds()
    const chosen = Array.from({ length: 400 }, () => partitionForKey(Buffer.from(ids.fresh(caller)), 4))
    for (const partition of [0, 1, 2, 3]) assert.ok(chosen.filter((one) => one === partition).length > 40)
  }
})
