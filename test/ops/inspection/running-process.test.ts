import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { RunningProcess } from '../../../ops/inspection/running-process.ts'
import { LogThreshold } from '../../../ops/process-log/log-threshold.ts'
import { CallMeters } from '../../../processor/metrics/call-meters.ts'
import type { Clock } from '../../../processor/ports.ts'

/** `begun` is called when a profile of a second begins. */
function scene(begun = () => {}) {
  let threshold = LogThreshold.parse('info')
  const logLevels = {
    get text() {
      return threshold.text
    },
    set(text: string) {
      threshold = LogThreshold.parse(text)
    },
  }
  const calls = new CallMeters()
  const thread = { callMeters: new Map([['work', calls]]) }
  const swarms = [{ plan: { swarm: 's' }, application: { threads: { here: [thread] } } }]
  const clock: Clock = {
    now: () => systemClock.now(),
    elapsedMs: () => systemClock.elapsedMs(),
    after(delayMs, callback) {
      if (delayMs === 1000) begun()
      return systemClock.after(delayMs, callback)
    },
  }
  const running = new RunningProcess({ clock, logLevels, swarms: swarms as never })
  return { running, calls, shows: (module: string) => threshold.shows('debug', module) }
}

describe('A profile of this process', () => {
  it('has the main thread and each worker, and the time that requests spent at each bee', async () => {
    const { running, calls } = scene(() => {
      calls.called('alone', 20)
      calls.waits.observe(0.005)
    })
    const worker = new Worker(
      'const end = Date.now() + 5000; (function spin() { for (let at = 0; at < 1e6; at++); if (Date.now() < end) setImmediate(spin) })()',
      { eval: true },
    )
    await new Promise((resolve) => worker.once('online', resolve))
    const { threads, bees, seconds } = await running.profile(1)
    await worker.terminate()
    assert.ok(seconds >= 1 && seconds < 10)
    const [main, other] = threads
    assert.deepEqual([main?.thread, other?.thread.startsWith('thread-')], ['main', true])
    assert.ok((main?.cpu?.nodes.length ?? 0) > 0 && main?.allocations !== null)
    assert.ok(other?.cpu?.nodes.some(({ callFrame }) => callFrame.functionName === 'spin'))
    assert.deepEqual(bees, [{ swarm: 's', bee: 'work', calls: 1, rows: 1, wait_ms: 5, call_ms: 20 }])
  })

  it('is refused while another profile is running, and ends early with the process', async () => {
    const { running } = scene()
    const first = running.profile(60)
    await assert.rejects(running.profile(1), { code: 'WAGGLE_PROFILE_RUNNING' })
    await running.close()
    assert.ok((await first).seconds < 30)
    const next = running.profile(60)
    await running.close()
    await next
  })
})

it('The levels of the log change at once, and a text that contains no levels is refused', () => {
  const { running, shows } = scene()
  assert.equal(running.logLevel, 'info')
  running.setLogLevel('warn,svm=debug')
  assert.deepEqual([running.logLevel, shows('svm'), shows('other')], ['warn,svm=debug', true, false])
  for (const text of ['loud', '', 'x'.repeat(2000)]) assert.throws(() => running.setLogLevel(text), { code: 'WAGGLE_BAD_REQUEST' })
  assert.equal(running.logLevel, 'warn,svm=debug')
})
