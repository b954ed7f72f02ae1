import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Log } from '../../../processor/ports.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { TaskStates } from '../../../processor/state/task-states.ts'
import { Topology } from '../../../topology/graph.ts'
import { keyValueStore } from '../../../topology/state-store.ts'
import { changed, send } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, text } from '../../support/text-program.ts'

it('A task that becomes a standby while it runs reports its lag as other standbys do', async () => {
  const world = new SimulatedWorld({ keepsState: false })
  const log = world.boot()
  const changelog = 'app-counts-changelog'
  await log.createTopics([{ name: changelog, partitions: 1, cleanup: 'compact', retentionMs: null }])
  await send(world, log, changelog, 1, 'first')
  let isHeld = false
  const states = new TaskStates({
    applicationId: 'app',
    name: 'states',
    directory: new SimulatedStateDirectory(new SimulatedStateFiles('p')),
    log: heldReading(log, () => isHeld),
    clock: world.clock,
    onFailure: (error) => assert.fail(String(error)),
    onNotice: (notice) => assert.fail(notice),
    listeners: { restore: [], standby: [] },
  })
  const task = { id: '0_0' as const, subtopology: counting(), partition: 0 }
  await states.start([task])
  const opened = states.open(task, [])
  await world.clock.until(() => opened.restoration.isDone)
  isHeld = true
  // As in a rebalance, the tasks to keep are set first, and then the leaving tasks are closed.
  states.keep({ committed: async () => null }, [task], [])
  assert.deepEqual(states.standbys, [])
  states.close(opened)
  assert.deepEqual(states.standbys, ['0_0'])
  await world.clock.advance(100)
  for (const value of ['second', 'third']) await send(world, log, changelog, 1, value)
  await world.clock.advance(2000)
  assert.deepEqual([...states.lags([task])], [['0_0', 2]])
  assert.deepEqual(await states.storeLags([task], []), [{ store: 'counts', partition: 0, current: 1, end: 3 }])
  assert.deepEqual(await states.storeLags([task], ['0_0']), [{ store: 'counts', partition: 0, current: 3, end: 3 }])
  await states.stop()
})

/** A log whose readers get no records while `isHeld` is true. The ends of its topics can still be read. */
function heldReading(log: Log, isHeld: () => boolean): Log {
  return changed(log, {
    read: (options) => {
      const reader = log.read(options)
      return isHeld() ? { ready: reader.ready, close: () => reader.close(), async *[Symbol.asyncIterator]() {} } : reader
    },
  })
}

function counting() {
  const topology = new Topology()
  topology.addSource('source', 'in', read)
  topology.addProcessor('count', () => ({ process: () => {} }), ['source'])
  topology.addStateStore(keyValueStore({ name: 'counts', key: text, value: text }), ['count'])
  const [subtopology] = topology.subtopologies()
  if (subtopology === undefined) throw new Error('There is none')
  return subtopology
}
