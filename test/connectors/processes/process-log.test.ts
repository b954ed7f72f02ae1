import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import { ProcessLog } from '../../../connectors/processes/process-log.ts'
import type { Clock } from '../../../processor/ports.ts'

/** A clock that lists the timers which were neither run nor cancelled. */
class CountingClock implements Clock {
  readonly timers = new Set<() => void>()
  now = () => 0
  elapsedMs = () => 0
  after(_: number, callback: () => void): () => void {
    this.timers.add(callback)
    return () => void this.timers.delete(callback)
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('The log of a process', () => {
  it('leaves no timer behind when the process ends within a second of its last line, and reports the number of omitted lines', async () => {
    const clock = new CountingClock()
    const stream = new PassThrough()
    const lines: string[] = []
    const log = new ProcessLog(stream, clock, ({ message }) => lines.push(message))
    stream.write('line\n'.repeat(205))
    await turn()
    assert.equal(clock.timers.size, 1)
    log.end()
    assert.equal(clock.timers.size, 0)
    assert.deepEqual([lines.length, lines.at(-1)], [201, '… 5 more lines within a second were left out'])
    assert.equal(stream.destroyed, true)
  })

  it('contains the last line of a process that died while the log was not reading, regardless of the amount of text before that line', async () => {
    const stream = new PassThrough()
    const log = new ProcessLog(stream, new CountingClock(), () => {})
    const megabyte = `${'x'.repeat(1023)}\n`.repeat(1024)
    for (let count = 0; count < 12; count++) stream.write(megabyte)
    stream.end('out of memory\n')
    for (let turns = 0; turns < 50; turns++) await turn()
    assert.notEqual(log.lastLines.at(-1), 'out of memory')
    log.drain()
    for (let turns = 0; turns < 50; turns++) await turn()
    assert.equal(log.lastLines.at(-1), 'out of memory')
    log.end()
  })
})
