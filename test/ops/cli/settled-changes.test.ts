import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SettledChanges } from '../../../ops/cli/settled-changes.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

describe('A burst of saved files', () => {
  const opened = () => {
    const clock = new SimulatedClock()
    let count = 0
    const changes = new SettledChanges({ clock, onSettled: () => count++ })
    return { clock, changes, count: () => count }
  }

  it('is one change, a moment after the last file', async () => {
    const { clock, changes, count } = opened()
    for (let file = 0; file < 20; file++) {
      changes.changed()
      await clock.advance(50)
    }
    assert.equal(count(), 0)
    await clock.advance(100)
    assert.equal(count(), 1)
    await clock.advance(60_000)
    assert.equal(count(), 1)
    changes.changed()
    await clock.advance(100)
    assert.equal(count(), 2)
  })

  it('that does not end is a change every two seconds', async () => {
    const { clock, changes, count } = opened()
    for (let file = 0; file < 100; file++) {
      changes.changed()
      await clock.advance(50)
    }
    assert.equal(count(), 2)
  })

  it('is no change after the end of the watch', async () => {
    const { clock, changes, count } = opened()
    changes.changed()
    changes.close()
    await clock.advance(60_000)
    assert.equal(count(), 0)
  })
})
