import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { WatchedProcess } from '../../../connectors/containers/watched-process.ts'
import { ReloadedProcess } from '../../../connectors/python/reloaded-process.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { call, json } from '../../support/bee-script.ts'
import { RunByHand } from '../../support/run-by-hand.ts'

describe('A Python process that is replaced when its file changes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-reloaded-'))
  after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'bee.py')
  let versions = 0

  async function reloaded() {
    const clock = new SimulatedClock()
    const runs: RunByHand[] = []
    const log = () => {}
    const save = async () => {
      writeFileSync(file, '#'.repeat(++versions))
      await clock.advance(400)
    }
    await save()
    const process = await ReloadedProcess.open({
      file,
      requirements: null,
      clock,
      log,
      async open() {
        const start = (events: ConstructorParameters<typeof RunByHand>[0]) => {
          const run = new RunByHand(events)
          runs.push(run)
          return run
        }
        const watched = new WatchedProcess({ bee: 'work', log }, { clock, finishMs: 10_000, termMs: 5_000, title: 'work', advice: 'none', start })
        runs.at(-1)?.greet()
        return watched
      },
    })
    return { clock, runs, save, process }
  }

  it('loses no call: the new process does the waiting calls, and the old one finishes its own', async () => {
    const { clock, runs, save, process } = await reloaded()
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

  it('ends the old process within its time limit when it is closed', async () => {
    const { clock, runs, save, process } = await reloaded()
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
})
