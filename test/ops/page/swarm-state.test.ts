import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'
import { pendingJoins } from '../../../ops/page/swarm-state.ts'
import type { KeyValue } from '../../../topology/record.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

const file = `name: shop
bees:
  - { name: left, type: kafka-input, spec: { topic: left } }
  - { name: right, type: kafka-input, spec: { topic: right } }
  - { name: both, type: respond, input: { join: [left, right] } }
`

describe('The pending requests of a join on the page', () => {
  const plan = planSwarm(checkSwarm(SwarmDocument.parse(file, 'swarm.yaml'), new BeeRegistry()), {
    partitions: 1,
    retentionMs: 1000,
    retentionBytes: null,
    answerPartitions: null,
  })
  /** Counts the requests in a store with these entries. An entry is true for a finished request. */
  const count = (entries: readonly boolean[]) => {
    let read = 0
    const all = function* () {
      for (const sent of entries) {
        read++
        yield [String(read), { sent }] satisfies KeyValue<string, object>
      }
    }
    const store = () => ({ name: 'both-join', persistent: true, all })
    const [join] = pendingJoins(plan, { threads: { here: [{ tasks: [{ store }] }] } })
    return { pending: join?.pending, is_cut: join?.is_cut, read }
  }

  it('do not include finished requests', () => {
    assert.deepEqual(count([true, false, true, false, false]), { pending: 3, is_cut: false, read: 5 })
  })

  it('are counted in a limited number of entries, even if all entries are finished', () => {
    const finished = count(Array.from({ length: 100_000 }, () => true))
    assert.deepEqual([finished.pending, finished.is_cut], [0, true])
    assert.ok(finished.read <= 2001, `${finished.read} entries were read`)
    assert.deepEqual(
      [count(Array.from({ length: 2000 }, () => false)), count([])].map(({ pending, is_cut }) => [pending, is_cut]),
      [
        [2000, false],
        [0, false],
      ],
    )
  })
})
