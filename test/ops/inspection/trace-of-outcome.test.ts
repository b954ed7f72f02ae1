import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { RequestTraces } from '../../../ops/inspection/request-traces.ts'
import type { Log } from '../../../processor/ports.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { textHeader } from '../../../topology/record.ts'
import { checkSwarm } from '../../../topology/swarm/check/check.ts'
import { SwarmDocument } from '../../../topology/swarm/document.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import { requestIdHeader } from '../../../topology/swarm/request/headers.ts'

const text = `name: small
bees:
  - {name: input, type: gateway-input, spec: {name: door}}
  - {name: work, type: module, input: {name: input}, spec: {file: ./work.ts}}
  - {name: answer, type: respond, input: {name: work}}`
const place = { partition: 0, key: Buffer.from('r'), value: Buffer.from('1'), timestamp: 0, headers: [textHeader(requestIdHeader, 'r')] }

it('A trace that is made while a request ends contains the outcome only together with the results that led to it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-trace-'))
  const clock = new SimulatedClock()
  const log = await openEmbeddedLog({ directory, clock })
  const swarm = checkSwarm(SwarmDocument.parse(text, join(directory, 'swarm.yaml')), new BeeRegistry())
  const plan = planSwarm(swarm, { partitions: 1, retentionMs: 1000, retentionBytes: null, answerPartitions: 1 })
  const [work, outcomes = ''] = ['waggle.small.work', plan.outcomesTopic ?? '']
  await log.createTopics(plan.topics.map(({ name }) => ({ name, partitions: 1, cleanup: 'delete' as const, retentionMs: null })))
  const send = async (...topics: readonly string[]) => {
    const producer = await log.taskProducer({ group: 'small' })
    for (const topic of topics) producer.append({ ...place, topic })
    await producer.commit({ positions: [], state: [] })
  }
  await send('waggle.gateway.door')
  // The result and the outcome are written as soon as the first of their topics has been read. The other topic is read after that.
  const ended = Promise.withResolvers<void>()
  let first: string | null = null
  const meanwhile: Log = Object.create(log, {
    topic: {
      async value(name: string) {
        if (name !== work && name !== outcomes) return await log.topic(name)
        if (first !== null && first !== name) await ended.promise
        first ??= name
        const found = await log.topic(name)
        if (first === name) await send(work, outcomes).then(ended.resolve)
        return found
      },
    },
    topics: { value: () => log.topics() },
    read: { value: (options: Parameters<Log['read']>[0]) => log.read(options) },
    offsetAt: { value: (...at: Parameters<NonNullable<Log['offsetAt']>>) => log.offsetAt(...at) },
    traits: { value: log.traits },
  })
  const traces = new RequestTraces({ log: meanwhile, clock, plans: [plan] })
  const { state, steps } = await traces.trace('r')
  assert.deepEqual([state, steps.map(({ bee }) => bee)], ['pending', ['input', 'work']])
  const after = await traces.trace('r')
  assert.deepEqual([after.state, after.steps.map(({ bee }) => bee)], ['answered', ['input', 'work', 'answer']])
  await log.close()
  rmSync(directory, { recursive: true })
})
