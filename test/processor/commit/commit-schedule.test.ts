import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CommitSchedule } from '../../../processor/commit/commit-schedule.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

describe('A commit of a thread', () => {
  it('is due two milliseconds after the first demand for it, and no longer due once it is sealed', async () => {
    const { schedule, clock } = await scene()
    assert.equal(schedule.isRequested, false)
    schedule.request()
    assert.deepEqual([schedule.isRequested, schedule.isDue], [true, false])
    await clock.advance(1)
    schedule.request()
    await clock.advance(1)
    assert.equal(schedule.isDue, true)
    schedule.sealed()
    assert.deepEqual([schedule.isRequested, schedule.isDue], [false, false])
  })

  it('is not due after a rollback of the work that requested it', async () => {
    const { schedule } = await scene()
    schedule.request()
    schedule.reset()
    assert.equal(schedule.isRequested, false)
  })

  it('is due one interval after the last commit', async () => {
    const { schedule, clock } = await scene()
    await clock.advance(60)
    schedule.sealed()
    await clock.advance(99)
    assert.deepEqual([schedule.isDue, schedule.dueInMs], [false, 1])
    await clock.advance(1)
    assert.deepEqual([schedule.isDue, schedule.dueInMs], [true, 1])
  })

  it('is due when the maximum of uncommitted records is reached', async () => {
    const { schedule } = await scene()
    schedule.processed(999)
    assert.equal(schedule.isDue, false)
    schedule.processed(1)
    assert.equal(schedule.isDue, true)
    schedule.sealed()
    assert.equal(schedule.isDue, false)
  })

  it('is due at an idle moment only if few records come and the log wants commits then', async () => {
    const { schedule, clock } = await scene()
    assert.deepEqual([schedule.isDueWhenIdle, schedule.isBusy], [true, false])
    schedule.processed(600)
    assert.deepEqual([schedule.isDueWhenIdle, schedule.isBusy], [false, true])
    await clock.advance(2500)
    assert.equal(schedule.isDueWhenIdle, true)
    assert.equal((await scene({ commitsWhenIdle: false })).schedule.isDueWhenIdle, false)
  })
})

async function scene({ commitsWhenIdle = true } = {}): Promise<{ readonly schedule: CommitSchedule; readonly clock: SimulatedClock }> {
  const clock = new SimulatedClock()
  const schedule = new CommitSchedule({ clock, commitIntervalMs: 100, commitsWhenIdle, maxProcessedAhead: 1000 })
  await clock.advance(5000)
  schedule.begin()
  return { schedule, clock }
}
