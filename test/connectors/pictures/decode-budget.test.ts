import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DecodeBudget } from '../../../connectors/pictures/decode-budget.ts'

describe('The memory for pictures that are decoded at the same time', () => {
  function started() {
    const budget = new DecodeBudget({ heavyBytes: 10, lightBudgetBytes: 30, heavyBudgetBytes: 100 })
    const running: string[] = []
    const end = new Map<string, () => void>()
    const begin = (name: string, bytes: number) =>
      budget.run(bytes, () => {
        running.push(name)
        return new Promise<void>((resolve) => {
          end.set(name, resolve)
        })
      })
    return { begin, end: (name: string) => end.get(name)?.(), running, settled: () => new Promise((resolve) => setImmediate(resolve)) }
  }

  it('stays within the budget, and goes to pictures in the order of their arrival', async () => {
    const { begin, end, running, settled } = started()
    for (const [name, bytes] of [
      ['a', 90],
      ['b', 20],
      ['c', 70],
      ['d', 80],
    ] as const)
      void begin(name, bytes)
    await settled()
    assert.deepEqual(running, ['a'])
    end('a')
    await settled()
    assert.deepEqual(running, ['a', 'b', 'c'])
    end('b')
    await settled()
    assert.deepEqual(running, ['a', 'b', 'c'])
    end('c')
    await settled()
    assert.deepEqual(running, ['a', 'b', 'c', 'd'])
  })

  it('goes to light pictures while heavy pictures wait for each other', async () => {
    const { begin, running, settled } = started()
    for (const name of ['heavy 1', 'heavy 2', 'heavy 3']) void begin(name, 100)
    for (const name of ['light 1', 'light 2', 'light 3', 'light 4']) void begin(name, 10)
    await settled()
    assert.deepEqual(running, ['heavy 1', 'light 1', 'light 2', 'light 3'])
  })

  it('is returned if a picture fails, and a picture larger than the budget is decoded alone', async () => {
    const { begin, running, settled } = started()
    const budget = new DecodeBudget({ heavyBytes: 10, lightBudgetBytes: 30, heavyBudgetBytes: 100 })
    await assert.rejects(
      budget.run(100, () => Promise.reject(new Error('no picture'))),
      /no picture/,
    )
    assert.equal(await budget.run(100, async () => 'next'), 'next')
    void begin('larger', 1000)
    await settled()
    assert.deepEqual(running, ['larger'])
  })
})
