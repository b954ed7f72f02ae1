import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { RequestTraces } from '../../../ops/inspection/request-traces.ts'
import { LiveRequestEvents } from '../../../ops/requests/live-request-events.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { textHeader } from '../../../topology/record.ts'
import { checkSwarm } from '../../../topology/swarm/check/check.ts'
import { SwarmDocument } from '../../../topology/swarm/document.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import { requestIdHeader } from '../../../topology/swarm/request/headers.ts'
import type { RequestEvent } from '../../../topology/swarm/request/request-events.ts'

const text = `name: small
bees:
  - {name: input, type: gateway-input, spec: {name: door}}
  - {name: work, type: module, input: {name: input}, spec: {file: ./work.ts}}
  - {name: answer, type: respond, input: {name: work}}`
const entrance = 'waggle.gateway.door'
const work = 'waggle.small.work'

/**
 * A log with the topics of a swarm, and the events of the request `r`. `beforeTrace` is called with the number of each trace before the trace is
 * made.
 */
async function followedLog(beforeTrace: (number: number) => unknown) {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-events-'))
  const clock = new SimulatedClock()
  const log = await openEmbeddedLog({ directory, clock })
  const swarm = checkSwarm(SwarmDocument.parse(text, join(directory, 'swarm.yaml')), new BeeRegistry())
  const plan = planSwarm(swarm, { partitions: 1, retentionMs: 1000, retentionBytes: null, answerPartitions: 1 })
  await log.createTopics(plan.topics.map(({ name }) => ({ name, partitions: 1, cleanup: 'delete' as const, retentionMs: null })))
  const real = new RequestTraces({ log, clock, plans: [plan] })
  let made = 0
  const traces = Object.assign(Object.create(real), {
    async trace(id: string) {
      await beforeTrace(++made)
      return real.trace(id)
    },
  }) as RequestTraces
  return {
    clock,
    outcomes: plan.outcomesTopic ?? '',
    get traces() {
      return made
    },
    events: new LiveRequestEvents({ log, clock, plans: [plan], traces }),
    async write(topic: string) {
      const producer = await log.taskProducer({ group: 'small' })
      const headers = [textHeader(requestIdHeader, 'r')]
      producer.append({ topic, partition: 0, key: Buffer.from('r'), value: Buffer.from('1'), timestamp: clock.now(), headers })
      await producer.commit({ positions: [], state: [] })
      // The readers deliver the record.
      await clock.settle()
    },
    async [Symbol.asyncDispose]() {
      await log.close()
      rmSync(directory, { recursive: true })
    },
  }
}

function nameOf(event: RequestEvent): string {
  return event.kind === 'bee' ? event.step.bee : event.kind
}

describe('The events of a request that is followed while it is computed', () => {
  it('begin with accepted, even if the result of a bee arrives before the trace is made', async () => {
    await using here = await followedLog((number) => (number === 2 ? here.write(work) : null))
    await here.write(entrance)
    const told: RequestEvent[] = []
    const followed = await here.events.follow('r', null, (event) => told.push(event))
    assert.deepEqual(
      told.map((event) => [nameOf(event), event.id]),
      [
        ['accepted', '*'],
        ['work', '*.work'],
      ],
    )
    followed.end()
  })

  it('contain each bee before the outcome, without a further trace', async () => {
    await using here = await followedLog(() => {})
    await here.write(entrance)
    const told: RequestEvent[] = []
    const followed = await here.events.follow('r', null, (event) => told.push(event))
    await here.write(work)
    await here.write(here.outcomes)
    assert.deepEqual([told.map(nameOf), here.traces], [['accepted', 'work', 'outcome'], 2])
    followed.end()
  })

  it('begin with accepted even for an awaited request, and contain each bee even if no trace can be made', async () => {
    await using here = await followedLog(() => Promise.reject(new Error('No trace can be made')))
    const told: RequestEvent[] = []
    const followed = await here.events.await('door', 'r', (event) => told.push(event))
    await here.write(work)
    assert.deepEqual(told.map(nameOf), [])
    await here.write(entrance)
    await here.write(here.outcomes)
    assert.deepEqual(told.map(nameOf), ['accepted', 'work', 'outcome'])
    followed.end()
  })
})
