import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Fifo } from '../../topology/fifo.ts'

describe('A first-in-first-out queue', () => {
  it('returns the same items as an array after the same operations', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('push' as const), count: fc.nat(2000) }),
      fc.record({ do: fc.constant('shift' as const), count: fc.nat(2000) }),
      fc.record({ do: fc.constant('putBack' as const), count: fc.nat(5) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const queue = new Fifo<number>()
        let model: number[] = []
        let next = 0
        for (const { do: what, count } of steps) {
          const items = Array.from({ length: count }, () => next++)
          if (what === 'push') {
            model.push(...items)
            for (const item of items) queue.push(item)
          } else if (what === 'shift') for (let left = count; left > 0; left--) assert.equal(queue.shift(), model.shift())
          else {
            model = [...items, ...model]
            queue.putBack(items)
          }
          assert.deepEqual([queue.size, queue.head], [model.length, model[0]])
        }
        assert.deepEqual([...queue], model)
      }),
      { numRuns: 50 },
    )
  })
})
