import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ThreadMeters } from '../../../processor/metrics/thread-meters.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { GlobalStores } from '../../../processor/state/global-stores.ts'
import { TaskStates } from '../../../processor/state/task-states.ts'
import { RefusedInputs } from '../../../processor/task/refused-inputs.ts'
import { threadProgram } from '../../../processor/thread/thread-program.ts'
import { ThreadTasks } from '../../../processor/thread/thread-tasks.ts'
import { Topology } from '../../../topology/graph.ts'
import { keyValueStore } from '../../../topology/state-store.ts'
import { withTopics } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, text } from '../../support/text-program.ts'

it('A task whose processor throws in init after the restore leaves the thread, and its state is released', async () => {
  const world = new SimulatedWorld({ keepsState: false })
  const log = await withTopics(world, ['in', 'app-counts-changelog'])
  const topology = new Topology()
  const init = () => {
    throw new Error('it does not begin')
  }
  topology.addSource('source', 'in', read)
  topology.addProcessor('count', () => ({ init, process: () => {} }), ['source'])
  topology.addStateStore(keyValueStore({ name: 'counts', key: text, value: text }), ['count'])
  const states = new TaskStates({
    applicationId: 'app',
    name: 'states',
    directory: new SimulatedStateDirectory(new SimulatedStateFiles('p')),
    log,
    clock: world.clock,
    onFailure: (error) => assert.fail(String(error)),
    onNotice: (notice) => assert.fail(notice),
    listeners: { restore: [], standby: [] },
  })
  let wakes = 0
  const assignment = new ThreadTasks(threadProgram('app', topology, { maxCachedEntries: 100, globals: new GlobalStores() }), log, {
    states,
    meters: new ThreadMeters('thread', { startedAt: 0, state: () => 0 }),
    surroundings: {
      applicationId: 'app',
      clock: world.clock,
      handsOn: false,
      refused: new RefusedInputs(),
      failures: { deserialization: () => 'fail', processing: () => 'fail', production: () => 'fail', deadLetters: null },
      emitIntervalMs: 0,
      cache: null,
      maxNoteBytes: Number.POSITIVE_INFINITY,
      partitionsOf: () => 1,
      emit: () => assert.fail('nothing is processed'),
      batcher: () => assert.fail('nothing is asynchronous'),
      waitingShare: () => assert.fail('nothing is asynchronous'),
      requestCommit: () => assert.fail('nothing is processed'),
      wake: () => {
        wakes++
      },
    },
  })
  const place = { topic: 'in', partition: 0 }
  const listener = { assigned: async () => {}, revoked: async () => {}, lost: async () => {} }
  const consumer = await log.subscribe({ group: 'app', topics: ['in'], offsetReset: 'earliest', isolation: 'committed', listener })
  let isAssigned = false
  void assignment.assign('app', consumer, [place], { seek: false }).then(() => {
    isAssigned = true
  })
  await world.clock.until(() => isAssigned && wakes === 1)
  assert.notEqual(states.stateOf('0_0'), null)
  assert.throws(() => assignment.takeReady(), /it does not begin/)
  assert.equal(states.stateOf('0_0'), null)
  assert.deepEqual([assignment.tasks, assignment.isRestoring], [[], false])
  await states.stop()
})
