import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { describeWithKafka } from '../../support/kafka-cluster.ts'
import { type Env, eventually, SwarmHere } from '../../support/swarm-here.ts'

/** Each call waits until the test releases all calls. */
const held: (() => void)[] = []
Object.assign(globalThis, { holdRequest: (release: () => void) => void held.push(release) })
const files = { 'work.mjs': 'export default (input) => (input.hold ? new Promise((done) => holdRequest(() => done(input))) : input)\n' }

interface Refusal {
  readonly code: string
  readonly detail: string
}

/** The same tests for both kinds of log, through the swarm's HTTP gateway. */
function boundsRequests(env: () => Env): void {
  const open = () =>
    SwarmHere.open({ WAGGLE_MAX_REQUESTS_IN_FLIGHT: '5', WAGGLE_PARTITIONS: '1', WAGGLE_SHUTDOWN_SECONDS: '10', ...env() }, { files })
  const releaseAll = () => held.splice(0).forEach((release) => void release())

  it('lets requests below it be answered, and gives every request above it 503 at once, with Retry-After', async () => {
    await using swarm = await open()
    let settled = 0
    const burst = Array.from({ length: 40 }, (_, number) => swarm.ask({ hold: true, number }).finally(() => void settled++))
    await eventually(async () => held.length + settled === 40)
    releaseAll()
    const answers = await Promise.all(burst)
    const refused = answers.filter(({ status }) => status === 503)
    const statuses = answers.map(({ status }) => status).toSorted()
    assert.deepEqual([statuses.lastIndexOf(200) + 1, refused.length], [5, 35], statuses.join(' '))
    for (const answer of refused) {
      const { code, detail } = (await answer.json()) as Refusal
      assert.deepEqual([code, detail, answer.headers.get('retry-after')], ['WAGGLE_OVERLOADED', '5 requests are waiting for an answer', '1'])
    }
    assert.equal((await swarm.ask({ number: 1 })).status, 200)
  })

  it('has room again after the deadline of a request has passed', async () => {
    await using swarm = await open()
    const hasty = Array.from({ length: 5 }, () => swarm.ask({ hold: true }, { headers: { 'x-timeout-seconds': '1' } }))
    await eventually(async () => held.length === 5)
    assert.equal((await swarm.ask({ number: 1 })).status, 503)
    for (const answer of await Promise.all(hasty)) assert.equal(answer.status, 504)
    releaseAll()
    assert.equal((await swarm.ask({ number: 1 })).status, 200)
  })

  it('does not count submitted requests, because no caller waits for them', async () => {
    await using swarm = await open()
    const submitted = await Promise.all(Array.from({ length: 20 }, (_, number) => swarm.ask({ number }, { verb: 'submit' })))
    assert.deepEqual(new Set(submitted.map(({ status }) => status)), new Set([202]))
    assert.equal((await swarm.ask({ number: 1 })).status, 200)
  })
}

describe('The limit of requests in flight on the embedded log', () => boundsRequests(() => ({})))

describeWithKafka('The limit of requests in flight on Kafka', { own: true }, (cluster) =>
  boundsRequests(() => ({ WAGGLE_LOG: 'kafka', KAFKA_BROKERS: cluster().brokers.join(',') })),
)
