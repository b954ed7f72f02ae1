import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { GlobalStores } from '../../../processor/state/global-stores.ts'
import { openTask } from '../../../processor/task/open-task.ts'
import { RefusedInputs } from '../../../processor/task/refused-inputs.ts'
import { ReadyTasks } from '../../../processor/thread/ready-tasks.ts'
import { Topology } from '../../../topology/graph.ts'
import type { ProcessorContext } from '../../../topology/processor-api.ts'
import { read } from '../../support/text-program.ts'

it('A closed task wakes its thread no more: late records and late schedules do not make it ready', () => {
  const clock = new SimulatedClock()
  let context: ProcessorContext<unknown, unknown> | null = null
  const topology = new Topology()
  topology.addSource('source', 'in', read)
  const init = (given: ProcessorContext<unknown, unknown>) => {
    context = given
  }
  topology.addProcessor('sleepy', () => ({ init, process: () => {} }), ['source'])
  const [subtopology] = topology.subtopologies()
  assert.ok(subtopology !== undefined)
  const { task } = openTask(
    {
      id: '0_0',
      applicationId: 'app',
      topology,
      subtopology,
      partition: 0,
      inputs: [{ topic: 'in', partition: 0, position: null }],
      bytesOf: () => assert.fail('it has no store'),
      globals: new GlobalStores(),
      maxCachedEntries: 1,
      keepsLog: false,
    },
    {
      applicationId: 'app',
      clock,
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
      requestCommit: () => {},
      wake: () => {},
    },
  )
  const ready = new ReadyTasks()
  const record = { offset: 0, timestamp: 0, key: Buffer.from('a'), value: Buffer.from('a'), headers: [] }
  const state = () => [[...ready.all].length, ready.nextDue]
  ready.open(task)
  ready.each(clock.now(), () => true)
  assert.deepEqual(state(), [0, Number.POSITIVE_INFINITY])
  task.add('in', 0, [record])
  schedule(context)
  assert.deepEqual(state(), [1, clock.now() + 1000])
  ready.close(task)
  task.close()
  assert.deepEqual(state(), [0, Number.POSITIVE_INFINITY])
  task.add('in', 0, [{ ...record, offset: 1 }])
  schedule(context)
  assert.deepEqual(state(), [0, Number.POSITIVE_INFINITY])
})

function schedule(context: ProcessorContext<unknown, unknown> | null): void {
  assert.ok(context !== null)
  context.schedule(1000, 'WALL_CLOCK_TIME', () => {})
}
