import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeCalls } from '../../../bees/hosting/bee-calls.ts'
import { PrintSources } from '../../../ops/process-log/print-sources.ts'
import type { LineOrigin } from '../../../topology/swarm/ports/processes.ts'

/** Calls of bees whose lines come from `print`, as a stream of the process would give them. */
function scene() {
  const lines: [string, string, LineOrigin | undefined][] = []
  const printing = new PrintSources()
  const print = (line: string) => printing.current?.print(line, false)
  const calls = new BeeCalls({ now: () => 0, log: (bee, _, message, origin) => void lines.push([bee, message, origin]), printing })
  return { lines, printing, print, calls }
}

describe('A line that a bee prints', () => {
  it('has the bee and the request of its own call, while calls wait for each other', async () => {
    const { lines, print, calls } = scene()
    const gate = Promise.withResolvers<void>()
    const first = calls.call('a', [{ id: 'r1' }], async () => {
      await gate.promise
      print('one')
    })
    const second = calls.call('b', [{ id: 'r2' }], async () => {
      print('two')
      gate.resolve()
      await first
      print('three')
    })
    await second
    assert.deepEqual(lines, [
      ['b', 'two', { request_id: 'r2' }],
      ['a', 'one', { request_id: 'r1' }],
      ['b', 'three', { request_id: 'r2' }],
    ])
  })

  it('names the first ten requests of a batch, and the number of all', () => {
    const { lines, print, calls } = scene()
    const requests = Array.from({ length: 12 }, (_, at) => ({ id: `r${at}` }))
    calls.call('batched', requests, () => print('all'))
    assert.deepEqual(lines, [['batched', 'all', { request_ids: 'r0 r1 r2 r3 r4 r5 r6 r7 r8 r9', requests: 12 }]])
  })

  it('has the request while parts are made, and none from a timer that goes on after the call', async () => {
    const { lines, print, calls } = scene()
    const later = Promise.withResolvers<void>()
    let after: Promise<void> | undefined
    async function* parts() {
      print('first')
      yield 1
      await Promise.resolve()
      print('second')
      after = later.promise.then(() => print('later'))
      yield 2
    }
    const made = await Array.fromAsync(calls.call('generates', [{ id: 'r1' }], parts) as AsyncIterable<number>)
    later.resolve()
    await after
    assert.deepEqual(made, [1, 2])
    assert.deepEqual(lines, [
      ['generates', 'first', { request_id: 'r1' }],
      ['generates', 'second', { request_id: 'r1' }],
      ['generates', 'later', {}],
    ])
  })

  it('ends the call of a generator whose parts nobody takes any more', async () => {
    const { lines, print, calls } = scene()
    async function* parts() {
      try {
        yield 1
        yield 2
      } finally {
        print('left')
      }
    }
    for await (const _ of await calls.call('generates', [{ id: 'r1' }], async () => parts())) break
    assert.deepEqual(lines, [['generates', 'left', { request_id: 'r1' }]])
  })

  it('has the bee of a function that never waits, and none after it, even if it throws', () => {
    const { printing } = scene()
    const printer = { print: () => {} }
    assert.throws(() =>
      printing.callNow(printer, () => {
        assert.equal(printing.current, printer)
        throw new Error('no')
      }),
    )
    assert.equal(printing.current, null)
  })
})
