import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { restoreProgress } from '../../../ops/beekeeper/restore-progress.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

const store = { store: 'requests', taskId: '4_2', topic: 'requests-changelog', partition: 2 }

describe('The progress of a restore', () => {
  it('is logged when the restore begins, every five seconds, and when it ends', async () => {
    const clock = new SimulatedClock()
    const said: string[] = []
    const listener = restoreProgress(clock, (line) => said.push(line))
    listener.onRestoreStart?.({ ...store, startingOffset: 1000n, endingOffset: 101_000n })
    for (let batch = 1; batch <= 4; batch++) {
      await clock.advance(2000)
      listener.onBatchRestored?.({ ...store, batchEndOffset: BigInt(1000 + batch * 25_000), numRestored: 20_000 })
    }
    listener.onRestoreEnd?.({ ...store, totalRestored: 80_000 })
    assert.deepEqual(said, [
      'The store requests of task 4_2 is being restored: 100000 offsets to read',
      'The store requests of task 4_2 is restored to 75 %: 60000 records in 6.0 s',
      'The store requests of task 4_2 is restored: 80000 records in 8.0 s',
    ])
  })

  it('is not logged for a short restore, but is logged for a suspended restore', () => {
    const said: string[] = []
    const listener = restoreProgress(new SimulatedClock(), (line) => said.push(line))
    listener.onRestoreStart?.({ ...store, startingOffset: 0n, endingOffset: 100n })
    listener.onRestoreEnd?.({ ...store, totalRestored: 100 })
    assert.deepEqual(said, [])
    listener.onRestoreStart?.({ ...store, startingOffset: 0n, endingOffset: 100_000n })
    listener.onRestoreSuspended?.({ ...store, totalRestored: 5 })
    assert.equal(said.at(-1), 'The store requests of task 4_2 is not restored any further here, after 5 records')
  })
})
