import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'
import { RowBatcher } from '../../../processor/async/row-batcher.ts'
import { CallMeters } from '../../../processor/metrics/call-meters.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { beeStep } from '../../../processor/swarm/bee-step.ts'
import type { AsyncWorker, SendReason } from '../../../topology/async-step.ts'
import { textHeader } from '../../../topology/record.ts'
import type { BeeHost } from '../../../topology/swarm/bee-host.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { ShadowDropped } from '../../../topology/swarm/plan/shadow-bees.ts'
import { deadlineHeader } from '../../../topology/swarm/request/headers.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

const swarm = checkSwarm(
  SwarmDocument.parse(
    `name: s
bees:
  - { name: g, type: gateway-input, spec: { name: g } }
  - { name: work, type: module, input: { name: g }, spec: { file: ./a.ts } }
  - { name: save, type: save-to-database, input: { name: work }, spec: { table: t } }
`,
    's.yaml',
  ),
  new BeeRegistry(),
)

/**
 * Sends a batch of one record. The request of the record has 100 ms until its deadline. Returns the reason why the batch was sent, and how long it
 * waited.
 */
async function sent(name: 'work' | 'save'): Promise<{ readonly reason: SendReason | undefined; readonly waitedMs: number }> {
  const clock = new SimulatedClock()
  const batch = { size: 10, timeoutMs: 500, release: 'full' as const }
  const bee = swarm.bees.find((one) => one.name === name)
  assert.ok(bee)
  const step = beeStep({ swarm: 's', bee, host: {} as BeeHost, batch, children: [], deadLetters: 'd', onFailure: () => {} })
  const begun = Promise.withResolvers<number>()
  const worker: AsyncWorker<string, Payload, Payload, Payload> = {
    async call(rows) {
      begun.resolve(clock.elapsedMs())
      return rows
    },
  }
  const meters = new CallMeters()
  const batcher = new RowBatcher(step, worker, clock, null, { isFull: false }, meters)
  const added = clock.elapsedMs()
  const headers = [textHeader(deadlineHeader, String(clock.now() + 100))]
  const value: Payload = { kind: 'json', json: 1 }
  let isDone = false
  batcher.add({
    record: { key: 'r', value, timestamp: clock.now(), headers },
    metadata: { topic: 't', partition: 0, offset: 0n },
    done() {
      isDone = true
    },
  })
  await clock.until(() => isDone)
  const [reason] = Object.entries(meters.sent).find(([, count]) => count > 0) ?? []
  return { reason: reason as SendReason | undefined, waitedMs: (await begun.promise) - added }
}

describe('The batch of a bee', () => {
  it('is sent early for the deadline of a request', async () => {
    const { reason, waitedMs } = await sent('work')
    assert.equal(reason, 'deadline')
    assert.ok(waitedMs < 100, String(waitedMs))
  })

  it('waits for more requests in spite of a deadline if the bee saves to a database, which takes late rows too', async () => {
    assert.deepEqual(await sent('save'), { reason: 'timeout', waitedMs: 500 })
  })
})

describe('An input that waits for a bee', () => {
  it('counts with the bytes that are fetched for its call', () => {
    const bee = swarm.bees.find((one) => one.name === 'save')
    assert.ok(bee)
    const step = beeStep({ swarm: 's', bee, host: {} as BeeHost, batch: null, children: [], deadLetters: 'd', onFailure: () => {} })
    const claim: Payload = { kind: 'claim', claim: { store: 's', key: 'k', sha256: '', bytes: 3_000_000, contentType: 'image/x', expiresAt: 1 } }
    const small: Payload = { kind: 'bytes', bytes: new Uint8Array(20), contentType: 'image/x' }
    assert.deepEqual(
      [claim, small, { kind: 'joined', parts: new Map([['a', claim]]) } as const].map((payload) => step.bytesOf?.(payload)),
      [3_000_000, 20, 3_000_000],
    )
  })
})

describe('A shadow', () => {
  const bee = swarm.bees.find((one) => one.name === 'work')
  assert.ok(bee)
  const failures: unknown[] = []
  const steps = [{ ...bee, name: 'work-shadow', shadows: 'work' }, bee].map((one) =>
    beeStep({
      swarm: 's',
      bee: one,
      host: {} as BeeHost,
      batch: null,
      children: ['next'],
      deadLetters: 'd',
      onFailure: (error) => failures.push(error),
    }),
  )
  const record = { key: 'r', value: { kind: 'json', json: 1 } as Payload, timestamp: 1000, headers: [] }
  const admitted = (nowMs: number) => steps.map((step) => step.admit?.(record, nowMs))

  it('computes a request up to 30 s after its arrival, and drops an older request, which only the bee itself computes', () => {
    assert.deepEqual(admitted(31_000), ['call', 'call'])
    const [shadow, own] = admitted(31_001)
    assert.ok(shadow instanceof ShadowDropped)
    assert.equal(own, 'call')
  })

  it('writes nothing for a request that it drops, and reports no failure', () => {
    const forwarded: unknown[] = []
    const context = { forward: (next: unknown) => forwarded.push(next) }
    const error = new ShadowDropped('work-shadow')
    steps[0]?.forward({ kind: 'error', error, report: null }, record, context as never)
    assert.deepEqual([forwarded, failures], [[], []])
  })
})
