import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { CallBalances } from '../../../connectors/processes/call-balance.ts'
import { WatchedProcess } from '../../../connectors/processes/watched-process.ts'
import { ReloadedBee } from '../../../connectors/python/reloaded-bee.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { call, json } from '../../support/bee-script.ts'
import { RunByHand } from '../../support/run-by-hand.ts'

describe('Processes of a Python bee that are replaced after a change of their file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-reloaded-'))
  after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'bee.py')
  let versions = 0

  /** A bee whose processes share their waiting calls. A process says hello at once while `greets` is true. */
  async function reloaded() {
    const clock = new SimulatedClock()
    const runs: RunByHand[] = []
    const lines: string[] = []
    const log = (_: unknown, line: string) => void lines.push(line)
    const save = async () => {
      writeFileSync(file, '#'.repeat(++versions))
      await clock.advance(400)
    }
    await save()
    const bee = new ReloadedBee({ file, requirements: null, clock, log })
    const balance = new CallBalances().of({})
    const state = { greets: true }
    const open = () =>
      bee.open(async () => {
        const start = (events: ConstructorParameters<typeof RunByHand>[0]) => {
          const run = new RunByHand(events)
          runs.push(run)
          return run
        }
        const watched = balance.add(
          (onChange) =>
            new WatchedProcess({ bee: 'work', log }, { clock, finishMs: 10_000, termMs: 5_000, title: 'work', advice: 'none', start, onChange }),
        )
        if (state.greets) runs.at(-1)?.greet()
        await watched.started
        return watched
      })
    return { clock, runs, lines, save, open, state }
  }

  it('lose no call: the new process does the waiting calls, and the old process finishes its own calls', async () => {
    const { clock, runs, save, open } = await reloaded()
    const process = await open()
    const answers = Promise.all([call(process, 'sent'), call(process, 'waits'), call(process, 'waits too')])
    await save()
    await save()
    await clock.advance(60_000)
    const [first, second, third] = runs as [RunByHand, RunByHand, RunByHand]
    for (const run of [first, second, third]) while (run.requests.length > 0) run.answer()
    assert.deepEqual(await answers, [json('sent'), json('waits'), json('waits too')])
    assert.deepEqual(first.signals, [])
    first.exit()
    second.exit()
    const closing = process.close()
    await clock.settle()
    third.exit()
    await closing
  })

  it('end the old process within its time limit when they are closed', async () => {
    const { clock, runs, save, open } = await reloaded()
    const process = await open()
    const answer = call(process, 'endless')
    await save()
    const [old, now] = runs as [RunByHand, RunByHand]
    const closing = process.close()
    await clock.advance(10_000)
    assert.deepEqual(old.signals, ['SIGTERM'])
    await clock.advance(5_000)
    assert.deepEqual(old.signals, ['SIGTERM', 'SIGKILL'])
    old.exit()
    await clock.settle()
    while (now.requests.length > 0) now.answer()
    now.exit()
    await closing
    assert.deepEqual(await answer, json('endless'))
  })

  it('are replaced all at once, when all new processes are ready, and then the old processes get no more calls', async () => {
    const { clock, runs, save, open, state } = await reloaded()
    const processes = [await open(), await open()] as const
    state.greets = false
    await save()
    const [oldA, oldB, newA, newB] = runs as [RunByHand, RunByHand, RunByHand, RunByHand]
    newA.greet()
    await clock.settle()
    // One new process is ready, and the other is not, so the old processes still answer with the unchanged file.
    const before = processes.map((process) => call(process, 'before'))
    await clock.settle()
    assert.deepEqual(
      [oldA, oldB, newA, newB].map(({ requests }) => requests.length),
      [1, 1, 0, 0],
    )
    newB.greet()
    await clock.settle()
    const [a, b] = processes
    // Three calls of one process: its neighbour has no call and takes a waiting call. Both run the changed file.
    const after_ = [call(a, 1), call(a, 2), call(a, 3), call(b, 4)]
    oldA.answer()
    oldB.answer()
    for (let turn = 0; turn < 4; turn++) {
      await clock.settle()
      assert.deepEqual([oldA.requests, oldB.requests], [[], []])
      for (const run of [newA, newB]) if (run.requests.length > 0) run.answer()
    }
    assert.deepEqual(await Promise.all(before), [json('before'), json('before')])
    assert.deepEqual(await Promise.all(after_), [json(1), json(2), json(3), json(4)])
    assert.deepEqual([oldA.hasEndOfInput, oldB.hasEndOfInput], [true, true])
    for (const run of [oldA, oldB]) run.exit()
    const closing = Promise.all(processes.map((process) => process.close()))
    await clock.settle()
    for (const run of [newA, newB]) run.exit()
    await closing
  })

  it('all continue with the unchanged file if a new process cannot start', async () => {
    const { clock, runs, lines, save, open, state } = await reloaded()
    const processes = [await open(), await open()] as const
    state.greets = false
    await save()
    const [oldA, oldB, newA, newB] = runs as [RunByHand, RunByHand, RunByHand, RunByHand]
    newA.greet()
    newB.exit()
    await clock.settle()
    assert.match(lines.at(-1) ?? '', /The file as it was before goes on\.$/)
    assert.equal(newA.hasEndOfInput, true)
    const answers = processes.map((process, at) => call(process, at))
    await clock.settle()
    for (const run of [oldA, oldB]) run.answer()
    assert.deepEqual(await Promise.all(answers), [json(0), json(1)])
    newA.exit()
    const closing = Promise.all(processes.map((process) => process.close()))
    await clock.settle()
    for (const run of [oldA, oldB]) run.exit()
    await closing
  })
})
