import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { beeRegistry } from '../../../ops/config/bee-registry.ts'
import { loadConfig } from '../../../ops/config/config.ts'
import { planSettingsOf } from '../../../ops/config/settings.ts'
import { HistoryReplay } from '../../../ops/inspection/history-replay.ts'
import type { LogRecord } from '../../../processor/ports.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { partitionForKey } from '../../../topology/partitioner.ts'
import { headerText, textHeader } from '../../../topology/record.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import type { ReplayOptions, ReplayPage } from '../../../topology/swarm/log-management.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import { asksHeader, replayHeader, requestIdHeader } from '../../../topology/swarm/request/headers.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'
import { changed } from '../../support/simulated-application.ts'

const everything: ReplayOptions = { replay: 'one', gateway: null, from: null, to: null, after: null, max: 1000, dry_run: false }

describe('A replay of a swarm’s history', () => {
  let directory: string
  let clock: SimulatedClock
  let log: EmbeddedLog
  let replay: HistoryReplay

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-history-'))
    clock = new SimulatedClock()
    await clock.advance(1_700_000_000_000)
    log = await openEmbeddedLog({ directory, clock })
    await log.createTopics(plan.topics.filter(({ isForeign }) => !isForeign))
    replay = replayOf(log)
  })
  afterEach(async () => {
    await replay.close()
    await log.close()
    rmSync(directory, { recursive: true })
  })

  const replayOf = (of: EmbeddedLog) => new HistoryReplay({ log: of, clock, plans: [plan], newId: () => 'made' })

  /** Writes requests, one a second. */
  async function written(gateway: string, ids: readonly string[], headers: readonly (readonly [string, string])[] = []): Promise<void> {
    const producer = await log.producer()
    const topic = `waggle.gateway.${gateway}`
    for (const id of ids) {
      const all = [textHeader(requestIdHeader, id), ...headers.map(([name, text]) => textHeader(name, text))]
      const key = Buffer.from(id)
      await producer.send({ topic, partition: partitionForKey(key, 4), key, value: Buffer.from(id), headers: all, timestamp: clock.now() })
      await clock.advance(1000)
    }
    await producer.close()
  }

  async function recordsOf(gateway: string): Promise<readonly LogRecord[]> {
    const topic = `waggle.gateway.${gateway}`
    const partitions = (await log.topic(topic))?.offsets ?? []
    const read = partitions.map(async ({ start, end }, partition) =>
      end === start ? [] : (await Array.fromAsync(log.read({ topic, partition, from: start, to: end }), ({ records }) => records)).flat(),
    )
    return (await Promise.all(read)).flat()
  }

  async function pages(options: ReplayOptions): Promise<readonly ReplayPage[]> {
    const all = [await replay.page('shop', options)]
    for (let last = all[0]; last !== undefined && last.next !== null; ) {
      last = await replay.page('shop', { ...options, replay: last.replay, to: last.to, after: last.next })
      all.push(last)
    }
    return all
  }

  const oldOf = (all: readonly ReplayPage[]) => all.flatMap(({ requests }) => requests.map(({ replay_of }) => replay_of)).toSorted()
  const names = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}${String(at).padStart(2, '0')}`)

  it('has each request of each gateway on one of its pages, and none of those that it writes itself', async () => {
    await written('door', names('d', 20))
    await written('window', names('w', 5))
    const all = await pages({ ...everything, max: 3 })
    assert.deepEqual(oldOf(all), [...names('d', 20), ...names('w', 5)])
    assert.ok(all.every(({ requests }) => requests.length <= 3))
    assert.equal((await recordsOf('door')).length, 40)
  })

  it('writes the value again under a new id that the name of the replay and the old id make, without deadline, reply topic or correlation', async () => {
    await written(
      'door',
      ['d'],
      [
        ['content-type', 'text/plain'],
        ['waggle-deadline', '5'],
        ['waggle-reply-topic', 'elsewhere'],
        ['kafka_replyTopic', 'elsewhere'],
        ['kafka_correlationId', 'x'],
      ],
    )
    const id = (await replay.page('shop', everything)).requests[0]?.request_id ?? ''
    assert.match(id, /^[0-9a-f-]{36}$/)
    assert.equal((await replay.page('shop', everything)).requests[0]?.request_id, id)
    assert.notEqual((await replay.page('shop', { ...everything, replay: 'two' })).requests[0]?.request_id, id)
    const again = (await recordsOf('door')).filter(({ headers }) => headerText(headers, requestIdHeader) === id)
    assert.equal(again.length, 2)
    for (const { key, value, headers } of again) {
      assert.deepEqual([Buffer.from(key ?? []).toString(), Buffer.from(value as Uint8Array).toString()], [id, 'd'])
      assert.deepEqual(
        headers.map((header) => [header.key, String(Buffer.from(header.value ?? []))]),
        [
          ['content-type', 'text/plain'],
          [requestIdHeader, id],
          [replayHeader, 'one'],
        ],
      )
    }
  })

  it('has the requests of one gateway, of a time, or none at all on a dry run', async () => {
    const start = clock.now()
    await written('door', names('d', 10))
    await written('window', ['w'])
    assert.deepEqual(oldOf(await pages({ ...everything, gateway: 'window' })), ['w'])
    const between = { from: start + 3000, to: start + 6000 }
    assert.deepEqual(oldOf(await pages({ ...everything, ...between, dry_run: true })), ['d03', 'd04', 'd05', 'd06'])
    assert.equal((await recordsOf('door')).length, 10)
  })

  it('counts records that are no requests, and leaves them out', async () => {
    await written('door', ['d'])
    await written('door', ['q'], [[asksHeader, '1']])
    await written('door', ['r'], [[replayHeader, 'before']])
    const { requests, skipped, replay: name } = await replay.page('shop', { ...everything, replay: null })
    assert.deepEqual([requests.map(({ replay_of }) => replay_of), skipped, name], [['d'], 2, 'made'])
  })

  it('writes nothing while the log takes no requests', async () => {
    await written('door', ['d'])
    const full = changed(log, { storage: { ...log.storage, refusal: 'The disk is full' } as NonNullable<EmbeddedLog['storage']> })
    await assert.rejects(replayOf(full).page('shop', everything), { code: 'WAGGLE_OVERLOADED', message: /The disk is full/ })
    assert.equal((await recordsOf('door')).length, 1)
  })

  it('refuses a cursor that is none, and a swarm and a gateway that do not exist', async () => {
    await assert.rejects(replay.page('shop', { ...everything, after: '../x' }), { code: 'WAGGLE_BAD_REQUEST' })
    for (const [after, gateway] of [
      ['waggle.gateway.roof:0:0', null],
      ['waggle.gateway.door:4:0', null],
      ['waggle.gateway.door:0:0', 'window'],
    ] as const)
      await assert.rejects(replay.page('shop', { ...everything, gateway, after }), {
        code: 'WAGGLE_BAD_REQUEST',
        message: /is not a place in this replay/,
        next: /leave it out to begin/,
      })
    await assert.rejects(replay.page('shop', { ...everything, gateway: 'roof' }), { code: 'WAGGLE_UNKNOWN_GATEWAY', message: /no gateway roof/ })
    await assert.rejects(replay.page('shed', everything), { code: 'WAGGLE_UNKNOWN_SWARM' })
  })
})

const text = `name: shop
bees:
  - { name: in, type: gateway-input, spec: { name: door } }
  - { name: in2, type: gateway-input, spec: { name: window } }
  - { name: both, type: merge, input: { stack: [in, in2] } }
  - { name: out, type: respond, input: { name: both } }
`
const plan = planSwarm(
  checkSwarm(SwarmDocument.read(Buffer.from(text), 'swarm.yaml'), beeRegistry('.')),
  planSettingsOf(loadConfig({ directories: [], env: { WAGGLE_PARTITIONS: '4' } }).settings),
)
