import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CallBalance } from '../../../connectors/processes/call-balance.ts'
import { ProcessPool } from '../../../connectors/processes/process-pool.ts'
import { WatchedProcess } from '../../../connectors/processes/watched-process.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { call, json } from '../../support/bee-script.ts'
import { RunByHand } from '../../support/run-by-hand.ts'

const finishMs = 10_000
const termMs = 5_000

function processes() {
  const clock = new SimulatedClock()
  const runs: RunByHand[] = []
  const watched = (onChange = () => {}) =>
    new WatchedProcess(
      { bee: 'work', log: () => {} },
      {
        clock,
        finishMs,
        termMs,
        title: 'work',
        advice: 'none',
        onChange,
        start(events) {
          const run = new RunByHand(events)
          runs.push(run)
          return run
        },
      },
    )
  return { clock, runs, watched }
}

describe('A closed process of a bee', () => {
  it('takes no calls from another process that closes at the same time', async () => {
    const { clock, runs, watched } = processes()
    const pool = new ProcessPool(2, new CallBalance(), watched)
    const [busy, quick] = runs as [RunByHand, RunByHand]
    for (const run of runs) run.greet()
    const answers = Array.from({ length: 6 }, (_, at) => call(pool, at))
    const closing = pool.close()
    while (quick.requests.length > 0) quick.answer()
    assert.equal(quick.hasEndOfInput, true)
    await clock.settle()
    assert.deepEqual(quick.requests, [])
    quick.exit()
    while (busy.requests.length > 0) busy.answer()
    busy.exit()
    await closing
    assert.deepEqual(await Promise.all(answers), [0, 1, 2, 3, 4, 5].map(json))
  })

  it('hands its waiting calls to the next process, and finishes its own calls regardless of their duration', async () => {
    const { clock, runs, watched } = processes()
    const old = watched()
    const next = watched()
    const [oldRun, nextRun] = runs as [RunByHand, RunByHand]
    for (const run of runs) run.greet()
    const answers = Promise.all([call(old, 'sent'), call(old, 'waits'), call(old, 'waits too')])
    const closing = old.close(next)
    while (nextRun.requests.length > 0) nextRun.answer()
    await clock.advance(finishMs + termMs)
    assert.deepEqual(oldRun.signals, [])
    oldRun.answer()
    assert.equal(oldRun.hasEndOfInput, true)
    assert.deepEqual(await answers, [json('sent'), json('waits'), json('waits too')])
    await clock.advance(finishMs)
    assert.deepEqual(oldRun.signals, ['SIGTERM'], 'it has nothing to do and does not exit')
    oldRun.exit()
    await closing
  })

  it('hands its calls to the next process if it dies while it closes', async () => {
    const { runs, watched } = processes()
    const old = watched()
    const next = watched()
    const [oldRun, nextRun] = runs as [RunByHand, RunByHand]
    for (const run of runs) run.greet()
    const answer = call(old, 'sent')
    const closing = old.close(next)
    oldRun.exit()
    nextRun.answer()
    assert.deepEqual(await answer, json('sent'))
    await closing
  })
})
