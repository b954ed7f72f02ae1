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
import { type Header, textHeader } from '../../../topology/record.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import { requestIdHeader } from '../../../topology/swarm/request/headers.ts'
import { type PartRecord, partHeaders } from '../../../topology/swarm/request/part.ts'
import type { RequestEvent } from '../../../topology/swarm/request/request-events.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

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
async function followedLog(beforeTrace: (number: number) => unknown, isSettled: () => Promise<boolean> = async () => false) {
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
    firstSentAt: (id: string) => real.firstSentAt(id),
  }) as RequestTraces
  return {
    clock,
    outcomes: plan.outcomesTopic ?? '',
    get traces() {
      return made
    },
    events: new LiveRequestEvents({ log, clock, plans: [plan], traces, isSettled }),
    parts: plan.partsTopic ?? '',
    /** Retention deletes the records of a topic before this offset. */
    async deleteBefore(topic: string, offset: number) {
      await log.deleteBefore?.([{ topic, partition: 0, offset }])
      await clock.settle()
      assert.equal((await log.topic(topic))?.offsets[0]?.start, offset)
    },
    async write(topic: string, headers?: readonly Header[], id = 'r') {
      const producer = await log.taskProducer({ group: 'small' })
      const record = { topic, partition: 0, key: Buffer.from(id), value: Buffer.from('1'), timestamp: clock.now() }
      producer.append({ ...record, headers: headers ?? [textHeader(requestIdHeader, id)] })
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

describe('The events of a request whose first parts the log has already deleted', () => {
  const part = (number: PartRecord['number']) =>
    partHeaders({ bee: 'work', rounds: '', since: 0 }, 'run', number, typeof number === 'number' ? { kind: 'json', json: String(number) } : null)

  async function comesBack(lastEventId: string | null, firstOffset: number) {
    await using here = await followedLog(() => {})
    await here.write(entrance)
    for (const number of ['begin', 0, 1, 2] as const) await here.write(here.parts, part(number))
    await here.write(work)
    await here.write(here.outcomes)
    await here.clock.advance(3_600_000)
    if (firstOffset > 0) await here.deleteBefore(here.parts, firstOffset)
    const told: RequestEvent[] = []
    await here.events.follow('r', lastEventId, (event) => told.push(event))
    return told.map((event) => [nameOf(event), event.id])
  }

  it('have a gap before the answer', async () => {
    const all = ['*.work~0', '*.work~1', '*.work~2'].map((id) => ['part', id])
    const rest = [
      ['work', '*.work.work~2'],
      ['outcome', '*.work.!.work~2'],
    ]
    assert.deepEqual(await comesBack('*', 0), [...all, ...rest])
    assert.deepEqual(await comesBack('*.work~1', 0), [...all.slice(2), ...rest])
    for (const first of [1, 3, 4])
      assert.deepEqual(
        await comesBack('*.work~1', first),
        [
          ['gap', '*.work~1'],
          ['work', '*.work~1.work'],
          ['outcome', '*.work~1.work.!'],
        ],
        `from offset ${first}`,
      )
    assert.deepEqual((await comesBack(null, 4)).slice(0, 2), [
      ['accepted', '*'],
      ['gap', '*'],
    ])
  })
})

describe('The events of a request that is sent again', () => {
  const part = (number: PartRecord['number']) =>
    partHeaders({ bee: 'work', rounds: '', since: 0 }, 'run', number, typeof number === 'number' ? { kind: 'json', json: String(number) } : null)

  for (const [when, before] of [
    ['while its bee publishes parts', ['begin', 0, 1]],
    ['when its bee has published all parts', ['begin', 0, 1, 2]],
  ] as const)
    it(`contain the parts from before, ${when}`, async () => {
      await using here = await followedLog(() => {})
      await here.write(entrance)
      for (const number of before) await here.write(here.parts, part(number))
      await here.clock.advance(10_000)
      const told: RequestEvent[] = []
      const followed = await here.events.await('door', 'r', (event) => told.push(event))
      await here.write(entrance)
      for (const number of [0, 1, 2].slice(before.length - 1)) await here.write(here.parts, part(number))
      await here.write(work)
      await here.write(here.outcomes)
      await followed.finish()
      assert.deepEqual(
        told.flatMap((event) => (event.kind === 'part' ? [event.part.number] : [])),
        [0, 1, 2],
      )
      assert.equal(told.at(-1)?.kind, 'outcome')
      followed.end()
    })
})

it('The events of a request whose outcome a trace misses, because a copy of the request came long after the outcome, end with the outcome', async () => {
  await using here = await followedLog(
    () => {},
    async () => true,
  )
  await here.write(entrance)
  await here.write(work)
  await here.write(here.outcomes)
  for (let other = 0; other < 3; other++) {
    await here.clock.advance(30_000)
    for (const topic of [entrance, here.outcomes]) await here.write(topic, undefined, `other ${other}`)
  }
  await here.clock.advance(30_000)
  await here.write(entrance)
  const told: RequestEvent[] = []
  const followed = await here.events.follow('r', null, (event) => told.push(event))
  for (let turn = 0; turn < 200 && told.at(-1)?.kind !== 'outcome'; turn++) await here.clock.settle()
  assert.equal(told.at(-1)?.kind, 'outcome')
  followed.end()
})

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
