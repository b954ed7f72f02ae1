import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ClusterRequests } from '../../../ops/requests/cluster-requests.ts'
import type { Application } from '../../../processor/application/application.ts'
import type { Reader, RecordRun } from '../../../processor/ports.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import { textHeader } from '../../../topology/record.ts'
import type { RequestOutcome } from '../../../topology/swarm/request/requests.ts'
import { newRequest } from '../../support/function-swarm.ts'
import { settled } from '../../support/settled.ts'
import { changed } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

it('An answer that arrives after a failure of the gateway’s reader of answers still reaches its caller', async () => {
  const world = new SimulatedWorld()
  const log = world.boot()
  const topic = (name: string) => ({ name, partitions: 1, cleanup: 'delete' as const, retentionMs: null })
  await log.createTopics([topic('door'), topic('answers')])
  const failed = Promise.withResolvers<void>()
  let reads = 0
  const failing = changed(log, {
    read: (options) =>
      reads++ === 0 ? changed<Reader>(log.read(options), { [Symbol.asyncIterator]: () => failingRuns(failed.promise) }) : log.read(options),
  })
  const errors: unknown[] = []
  const requests = new ClusterRequests({
    log: failing,
    clock: world.clock,
    random: new SimulatedRandom(1),
    targets: [
      {
        gateway: 'door',
        topic: 'door',
        partitions: 1,
        application: null as unknown as Application,
        notReady: () => null,
        ledgerStore: 'requests',
        acceptedTopic: 'accepted',
        answers: { topic: 'answers', partitions: 1 },
      },
    ],
    maxPending: 10,
    onError: (error) => errors.push(error),
  })
  let hasStarted = false
  void requests.start().then(() => {
    hasStarted = true
  })
  await world.clock.until(() => hasStarted)
  let outcome: RequestOutcome | null = null
  let sends = 0
  void requests.request({ ...newRequest('one'), onSend: () => void sends++ }).then((settled) => {
    outcome = settled
  })
  failed.resolve()
  await world.clock.until(() => errors.length === 1)
  const producer = await log.producer()
  const headers = [textHeader('waggle-request-state', 'answered'), textHeader('content-type', 'application/json')]
  void producer.send({ topic: 'answers', partition: 0, key: Buffer.from('one'), value: Buffer.from('"hello"'), timestamp: 1, headers })
  await world.clock.until(() => outcome !== null, 10_000)
  assert.deepEqual(outcome, { id: 'one', state: 'answered', answer: { kind: 'json', json: 'hello' } })
  assert.equal(sends, 1, 'a claim store would delete the input of a request that was not sent')
  let isClosed = false
  void requests.close().then(() => {
    isClosed = true
  })
  await world.clock.until(() => isClosed)
})

it('The answers of a swarm still arrive after a newer version has failed before it accepted requests', async () => {
  const world = new SimulatedWorld()
  const log = world.boot()
  const topic = (name: string) => ({ name, partitions: 1, cleanup: 'delete' as const, retentionMs: null })
  await log.createTopics([topic('door'), topic('answers')])
  const version = () => {
    const target = { gateway: 'door', topic: 'door', partitions: 1, application: {} as Application, notReady: () => null }
    return {
      targets: [{ ...target, ledgerStore: 'requests', acceptedTopic: 'accepted', answers: { topic: 'answers', partitions: 1 } }],
      outcomes: [],
    }
  }
  const requests = new ClusterRequests({ log, clock: world.clock, random: new SimulatedRandom(1), targets: [], maxPending: 10, onError: () => {} })
  const done = (what: Promise<unknown>) => settled(world.clock, what, 10_000)
  const [older, newer] = [version(), version()]
  await done(requests.start())
  await done(requests.add(older))
  await done(requests.remove(newer))
  const outcome = requests.request(newRequest('one'))
  const producer = await log.producer()
  const headers = [textHeader('waggle-request-state', 'answered'), textHeader('content-type', 'application/json')]
  void producer.send({ topic: 'answers', partition: 0, key: Buffer.from('one'), value: Buffer.from('"hello"'), timestamp: 1, headers })
  await done(outcome)
  assert.deepEqual(await outcome, { id: 'one', state: 'answered', answer: { kind: 'json', json: 'hello' } })
  await done(requests.close())
})

async function* failingRuns(fails: Promise<void>): AsyncGenerator<RecordRun> {
  await fails
  yield* [] as RecordRun[]
  throw new Error('The broker does not let this one read')
}
