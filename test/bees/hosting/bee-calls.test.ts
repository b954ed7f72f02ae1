import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeCalls } from '../../../bees/hosting/bee-calls.ts'

/** Calls with a clock that the test moves, and the lines that the calls log. */
function scene() {
  const time = { now: 0 }
  const lines: string[] = []
  return { time, lines, calls: new BeeCalls({ now: () => time.now, log: (_, __, message) => lines.push(message) }) }
}

describe('A bee that computes without a pause', () => {
  it('is named in the log, with its request and the time that it took', async () => {
    const { time, lines, calls } = scene()
    await calls.call('slow', [{ id: 'r1' }], () => {
      time.now += 1234
    })
    assert.match(lines.join(), /^slow blocked this process for 1\.2 s \(request r1\)/)
    assert.deepEqual(calls.takeActivity(), { bees: ['slow'], isReported: true })
  })

  it('is named with one request and the number of the others if its call has a batch', async () => {
    const { time, lines, calls } = scene()
    await calls.call('slow', [{ id: 'r1' }, { id: 'r2' }, { id: 'r3' }], () => {
      time.now += 300
    })
    assert.match(lines.join(), /\(request r1 and 2 more\)/)
  })

  it('is not named if it only waits, or if it computes for less than 250 ms', async () => {
    const { time, lines, calls } = scene()
    await calls.call('waits', [{ id: 'r1' }], async () => {
      await Promise.resolve()
      time.now += 5000
    })
    await calls.call('brief', [{ id: 'r2' }], () => {
      time.now += 249
    })
    assert.deepEqual([lines, calls.takeActivity()], [[], { bees: ['waits', 'brief'], isReported: false }])
  })
})

describe('The activity of bees', () => {
  it('includes a bee while the bee has an open call, and once more after that call', async () => {
    const { calls } = scene()
    const { promise, resolve } = Promise.withResolvers<void>()
    const call = calls.call('long', [], () => promise)
    assert.deepEqual([calls.takeActivity().bees, calls.takeActivity().bees], [['long'], ['long']])
    resolve()
    await call
    assert.deepEqual([calls.takeActivity().bees, calls.takeActivity().bees], [['long'], []])
  })

  it('includes a bee whose call throws, and the caller gets the error', async () => {
    const { calls } = scene()
    const thrown = new Error('no')
    assert.throws(
      () =>
        calls.call('broken', [], () => {
          throw thrown
        }),
      thrown,
    )
    assert.deepEqual([calls.takeActivity().bees, calls.takeActivity().bees], [['broken'], []])
    await assert.rejects(async () => calls.call('broken', [], () => Promise.reject(thrown)), thrown)
    assert.deepEqual([calls.takeActivity().bees, calls.takeActivity().bees], [['broken'], []])
  })
})
