import assert from 'node:assert/strict'
import { it } from 'node:test'
import { EngineLines } from '../../../ops/process-log/engine-lines.ts'

const places = [0, 1].map((partition) => ({ topic: 'orders', partition }))

it('The work of the engine is logged at level debug, by module, and no line is built for a module that is not shown', () => {
  const said: string[] = []
  const engine = new EngineLines({
    swarm: 's',
    say: (module, level, message, fields) => said.push(`${module} ${level} ${fields?.swarm} ${message}`),
    shows: (module) => module !== 'commit',
  })
  engine.took({ kind: 'assigned', thread: 't-1', group: 'g', partitions: places })
  engine.took({ kind: 'revoked', thread: 't-1', group: 'g', partitions: places.slice(1) })
  engine.took({ kind: 'lost', thread: 't-1', group: 'g', partitions: [] })
  engine.took({ kind: 'committed', thread: 't-1', tasks: 1, positions: 2, records: 3, ms: 4 })
  engine.changed('REBALANCING', 'RUNNING')
  const store = { store: 'sums', taskId: '0_1', topic: 'log-of-sums', partition: 1 }
  engine.restores.onRestoreStart?.({ ...store, startingOffset: 1n, endingOffset: 9n })
  engine.restores.onRestoreEnd?.({ ...store, totalRestored: 8 })
  assert.deepEqual(said, [
    'assignment debug s t-1 got orders 0,1 of the group g',
    'assignment debug s t-1 gives back, in a rebalance, orders 1 of the group g',
    'assignment debug s t-1 has lost no partition of the group g',
    'assignment debug s the application goes from REBALANCING to RUNNING',
    'restore debug s the store sums of task 0_1 is read from log-of-sums, offsets 1 to 9',
    'restore debug s the store sums of task 0_1 is complete, after 8 records',
  ])
})
