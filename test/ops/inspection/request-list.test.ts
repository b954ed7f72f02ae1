import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { beeRegistry } from '../../../ops/config/bee-registry.ts'
import { loadConfig } from '../../../ops/config/config.ts'
import { planSettingsOf } from '../../../ops/config/settings.ts'
import { RequestList } from '../../../ops/inspection/request-list.ts'
import { partitionForKey } from '../../../topology/partitioner.ts'
import { textHeader } from '../../../topology/record.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import type { ListedRequest, RequestListOptions } from '../../../topology/swarm/log-management.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import { errorHeader, finishedHeader, requestIdHeader } from '../../../topology/swarm/request/headers.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'
import { changed } from '../../support/simulated-application.ts'

describe('The list of requests', () => {
  let directory: string
  let log: EmbeddedLog
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-list-'))
    log = await openEmbeddedLog({ directory, clock: systemClock })
    await log.createTopics(plan.topics.filter(({ isForeign }) => !isForeign))
    await written()
  })
  after(async () => {
    await log.close()
    rmSync(directory, { recursive: true })
  })

  it('reads about one page of records from each partition to give a page of the newest requests', async () => {
    let records = 0
    const counted = changed(log, {
      read: (options) => {
        records += (options.to ?? Number.NaN) - options.from
        return log.read(options)
      },
    })
    const { requests, next } = await listOf({ counted }).page({ ...all, max: 10 })
    assert.deepEqual(requests, expected.slice(0, 10))
    assert.equal(next, `${expected[9]?.accepted_at}:${expected[9]?.request_id}`)
    assert.ok(records <= 4 * (10 + 64), `${records} records`)
  })

  for (const [how, hasLedger] of [
    ['the ledger', true],
    ['the outcomes alone', false],
  ] as const)
    it(`has each request on one of its pages, with its state from ${how}`, async () => {
      const list = listOf({ hasLedger })
      const paged: ListedRequest[] = []
      for (let cursor: string | null = null, isFirst = true; isFirst || cursor !== null; isFirst = false) {
        const page = await list.page({ ...all, max: 97, after: cursor })
        paged.push(...page.requests)
        cursor = page.next
      }
      assert.deepEqual(paged, expected)
    })

  it('has the requests up to a time, also if they are in the log together with later ones', async () => {
    const to = expected[500]?.accepted_at ?? 0
    const { requests } = await listOf({}).page({ ...all, to, max: 20 })
    const before = expected.filter(({ accepted_at }) => accepted_at <= to)
    assert.deepEqual(requests, before.slice(0, 20))
  })

  it('has the error of a failed request', async () => {
    const { requests } = await listOf({}).page({ ...all, state: 'failed', max: 5 })
    assert.deepEqual(requests, expected.filter(({ state }) => state === 'failed').slice(0, 5))
    assert.equal(requests[0]?.error?.detail, 'It is broken')
  })

  function listOf({ counted = log, hasLedger = true }: { readonly counted?: EmbeddedLog; readonly hasLedger?: boolean }): RequestList {
    const entries = new Map(expected.map((row) => [row.request_id, { state: row.state, settledAt: row.finished_at }]))
    return new RequestList({
      log: counted,
      clock: systemClock,
      plans: [plan],
      ...(hasLedger ? { ledgerEntry: (_, id) => entries.get(id) ?? null } : {}),
    })
  }

  /** Writes the records of all requests. Several requests have the same time, and many of them are in one commit. */
  async function written(): Promise<void> {
    const producer = await log.producer()
    const send = (topic: string, { request_id: id, accepted_at: timestamp }: ListedRequest, headers: readonly (readonly [string, string])[]) =>
      producer.send(
        {
          ...{ topic, timestamp, partition: partitionForKey(Buffer.from(id), 4), key: Buffer.from(id) },
          value: Buffer.from(JSON.stringify(broken)),
          headers: headers.map(([key, value]) => textHeader(key, value)),
        },
        { durable: false },
      )
    for (const [at, row] of expected.toReversed().entries()) {
      void send(entrance, row, [[requestIdHeader, row.request_id]])
      if (row.state !== 'pending')
        void send(outcomesTopic, row, [
          ...(row.state === 'failed' ? [[errorHeader, 'WAGGLE_BEE_FAILED'] as const] : []),
          [finishedHeader, String(row.finished_at)],
        ])
      if (at % 300 === 299) await log.durable()
    }
    await log.durable()
    await producer.close()
  }
})

const { settings } = loadConfig({ directories: [], env: {} })
const text = `name: listed
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: answer, type: respond, input: {name: entrance}}
`
const plan = planSwarm(checkSwarm(SwarmDocument.read(Buffer.from(text), 'swarm.yaml'), beeRegistry(import.meta.dirname)), planSettingsOf(settings))
const entrance = plan.gateways[0]?.topic ?? ''
const outcomesTopic = plan.outcomesTopic ?? ''
const broken = { detail: 'It is broken', bee: 'answer' }
const all: RequestListOptions = { swarm: null, gateway: null, state: null, from: null, to: null, key: null, after: null, max: 50 }

const newestMs = Date.now() - 2000

/** The requests in the order of the list: the newest first. The newest are pending, and a few old ones have failed. */
const expected: readonly ListedRequest[] = Array.from({ length: 3000 }, (_, at): ListedRequest => {
  const accepted = newestMs - Math.floor(at / 3)
  const state = at < 5 ? 'pending' : at % 600 === 500 ? 'failed' : 'answered'
  return {
    request_id: `id-${20_000 - at}`,
    swarm: 'listed',
    gateway: 'door',
    state,
    accepted_at: accepted,
    finished_at: state === 'pending' ? null : accepted + 5,
    error: state === 'failed' ? { code: 'WAGGLE_BEE_FAILED', ...broken } : null,
  }
})
