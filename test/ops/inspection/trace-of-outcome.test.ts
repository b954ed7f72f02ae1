import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { RequestTraces } from '../../../ops/inspection/request-traces.ts'
import type { Log } from '../../../processor/ports.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { textHeader } from '../../../topology/record.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import { deadlineHeader, requestIdHeader } from '../../../topology/swarm/request/headers.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

const text = `name: small
bees:
  - {name: input, type: gateway-input, spec: {name: door}}
  - {name: work, type: module, input: {name: input}, spec: {file: ./work.ts}}
  - {name: answer, type: respond, input: {name: work}}`
const headers = [textHeader(requestIdHeader, 'r'), textHeader(deadlineHeader, '30000')]
const place = { partition: 0, key: Buffer.from('r'), value: Buffer.from('1'), timestamp: 0, headers }
const work = 'waggle.small.work'

describe('A trace that is made while its request ends', () => {
  it('has both the result and the outcome if both are written during the search for the outcome', async () => {
    const { during, after } = await tracesOf({ writtenAfter: 'outcomes' })
    assert.deepEqual(during, ['answered', 'input', 'work', 'answer'])
    assert.deepEqual(after, ['answered', 'input', 'work', 'answer'])
  })

  it('has neither the result nor the outcome if both are written after the search for the result', async () => {
    const { during, after } = await tracesOf({ writtenAfter: 'results' })
    assert.deepEqual(during, ['pending', 'input'])
    assert.deepEqual(after, ['answered', 'input', 'work', 'answer'])
  })
})

/** The state and the bees of two traces: while the result and the outcome are written, as soon as a topic has been read, and after that. */
async function tracesOf({ writtenAfter }: { readonly writtenAfter: 'outcomes' | 'results' }) {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-trace-'))
  const clock = new SimulatedClock()
  const log = await openEmbeddedLog({ directory, clock })
  const swarm = checkSwarm(SwarmDocument.parse(text, join(directory, 'swarm.yaml')), new BeeRegistry())
  const plan = planSwarm(swarm, { partitions: 1, retentionMs: 1000, retentionBytes: null, answerPartitions: 1 })
  const outcomes = plan.outcomesTopic ?? ''
  await log.createTopics(plan.topics.map(({ name }) => ({ name, partitions: 1, cleanup: 'delete' as const, retentionMs: null })))
  const send = async (...topics: readonly string[]) => {
    const producer = await log.taskProducer({ group: 'small' })
    for (const topic of topics) producer.append({ ...place, topic })
    await producer.commit({ positions: [], state: [] })
  }
  await send('waggle.gateway.door')
  const first = writtenAfter === 'outcomes' ? outcomes : work
  let isWritten = false
  const meanwhile: Log = Object.create(log, {
    topic: {
      async value(name: string) {
        const found = await log.topic(name)
        if (name === first && !isWritten) {
          isWritten = true
          await send(work, outcomes)
        }
        return found
      },
    },
    topics: { value: () => log.topics() },
    read: { value: (options: Parameters<Log['read']>[0]) => log.read(options) },
    offsetAt: { value: (...at: Parameters<NonNullable<Log['offsetAt']>>) => log.offsetAt(...at) },
    traits: { value: log.traits },
  })
  const traces = new RequestTraces({ log: meanwhile, clock, plans: [plan] })
  const stateAndBees = async () => {
    const { state, steps } = await traces.trace('r')
    return [state, ...steps.map(({ bee }) => bee)]
  }
  const during = await stateAndBees()
  const after = await stateAndBees()
  await log.close()
  rmSync(directory, { recursive: true })
  return { during, after }
}
