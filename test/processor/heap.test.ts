import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { Heap } from '../../processor/heap.ts'

it('A heap gives the least of its items after any additions and removals', () => {
  // A number is added to the heap. Null takes the least number out of the heap.
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer({ min: -20, max: 20 })), { maxLength: 200 }), (steps) => {
      const heap = new Heap<number>((a, b) => a - b)
      const model: number[] = []
      for (const step of steps) {
        if (step === null) assert.equal(heap.take(), model.shift())
        else {
          heap.add(step)
          model.push(step)
          model.sort((a, b) => a - b)
        }
        assert.deepEqual([heap.size, heap.least], [model.length, model[0]])
      }
    }),
  )
})
