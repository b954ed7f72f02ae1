import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogTraits, ProducerRecord } from '../../processor/ports.ts'
import { type Header, textHeader } from '../../topology/record.ts'
import type { RequestOutcome } from '../../topology/swarm/request/requests.ts'
import { newRequest, predictionsOf, type Rows, startSwarm, threeModels } from '../support/function-swarm.ts'
import { propertyCases } from '../support/property-runs.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'

type Hostile = Partial<Omit<ProducerRecord, 'topic' | 'partition'>>

const json = textHeader('content-type', 'application/json')
const withHeaders = (...headers: readonly Header[]): Hostile => ({ headers: [json, ...headers] })
const accepted = textHeader('waggle-accepted', '1')
const message = (value: unknown): Hostile => ({ ...withHeaders(accepted), value: Buffer.from(JSON.stringify(value)) })
const fine = { gateway: 'door', accepted_at: 0, deadline: null, body_hash: '', reply_to: null }
const megabyte = 'x'.repeat(1024 * 1024)

/** Records that any writer of a topic can write. */
const hostile: { readonly [name: string]: Hostile } = {
  'a tombstone': { value: null },
  'a record without key': { key: null },
  'a record without key, value and headers': { key: null, value: null, headers: [] },
  'a key that is no UTF-8': { key: Buffer.from([0xff, 0xfe, 0x80]) },
  'an empty key': { key: Buffer.alloc(0) },
  'a key of 1 MB': { key: Buffer.from(megabyte) },
  'a key named __proto__': { key: Buffer.from('__proto__') },
  'headers without values': withHeaders(
    ...['content-type', 'waggle-error', 'waggle-deadline', 'waggle-request-id', 'waggle-reply-topic', 'waggle-accepted'].map((key) => ({
      key,
      value: null,
    })),
  ),
  'headers that are no UTF-8': withHeaders(
    ...['content-type', 'waggle-deadline', 'waggle-request-id', 'waggle-reply-topic'].map((key) => ({ key, value: Buffer.from([0xff, 0xc0]) })),
  ),
  ...Object.fromEntries(
    ['NaN', '', ' ', '-1', '1e300', '9007199254740993', 'Infinity', '0x10'].map((text) => [
      `the deadline ${JSON.stringify(text)}`,
      withHeaders(textHeader('waggle-deadline', text)),
    ]),
  ),
  'a request id of 1 MB': withHeaders(textHeader('waggle-request-id', megabyte)),
  'an empty request id': withHeaders(textHeader('waggle-request-id', '')),
  'the request id __proto__': withHeaders(textHeader('waggle-request-id', '__proto__')),
  'a timestamp of -1': { timestamp: -1 },
  'a timestamp of 2^53': { timestamp: 2 ** 53 },
  'a timestamp in the year 3000': { timestamp: Date.UTC(3000, 0) },
  'the mark of an accepted request': withHeaders(accepted),
  'a reply topic that is not allowed': withHeaders(textHeader('waggle-reply-topic', 'somebody.elses')),
  'an unknown content type': { headers: [textHeader('content-type', 'nobody/knows')] },
  'a content type that its value is not': { headers: [textHeader('content-type', 'application/vnd.waggle.tensors')] },
  'joined parts that are none': { headers: [textHeader('content-type', 'application/vnd.waggle.joined')] },
  'an error that is none': { ...withHeaders(textHeader('waggle-error', 'X')), value: Buffer.from('null') },
  'JSON that breaks off': { ...withHeaders(), value: Buffer.from('{"half') },
  'JSON of 5,000 levels': { ...withHeaders(), value: Buffer.from('['.repeat(5000) + ']'.repeat(5000)) },
  'a ledger message that is no object': message('pending'),
  'a ledger message of nothing': message(null),
  'a ledger message without fields': message({}),
  'a ledger message that asks without saying where': message({ asks: true }),
  'a ledger message that asks for a foreign topic': message({ asks: true, reply_to: { topic: 'somebody.elses', partition: 0, correlation: null } }),
  'a ledger message that wants its answer in a partition that is not there': message({
    asks: true,
    reply_to: { topic: 'waggle.three-answers', partition: 999, correlation: null },
  }),
  'a ledger message with a reply that is a number': message({ ...fine, reply_to: 5 }),
  'a ledger message with a deadline of text': message({ ...fine, deadline: 'soon' }),
  'a ledger message with an endless deadline': message({ ...fine, deadline: 1e300 }),
  'a ledger message that was accepted in the year 3000': message({ ...fine, accepted_at: Date.UTC(3000, 0), deadline: 1 }),
}

const likeEmbedded: LogTraits = { atomicCommit: true, repeatsRecords: false, handsOn: true }
const likeKafka: LogTraits = { atomicCommit: true, repeatsRecords: true, handsOn: false }

interface Ran {
  readonly states: readonly string[]
  readonly slowestMs: number
  /** The topics of the swarm, and the topics that the swarm reads. */
  readonly topics: readonly string[]
  readonly failures: readonly string[]
  readonly putAside: number
  readonly letters: readonly { readonly [header: string]: string }[]
  readonly strangers: number
}

/** Sends six requests before, beside and after a record in each partition of a topic. */
async function run(traits: LogTraits, topic: string | null, record: Hostile): Promise<Ran> {
  const world = new SimulatedWorld({ traits })
  const rows: Rows = new Map()
  const log = world.boot()
  const swarm = await startSwarm(world, log, threeModels, predictionsOf(world), rows, traits.handsOn ? {} : { answerPartitions: 2 })
  await log.createTopics([{ name: 'somebody.elses', partitions: 1, cleanup: 'delete', retentionMs: null }])
  const outcomes = new Map<string, RequestOutcome | Error>()
  let slowestMs = 0
  const ask = (id: string) => {
    const since = world.clock.now()
    const ended = (outcome: RequestOutcome | Error) => {
      outcomes.set(id, outcome)
      slowestMs = Math.max(slowestMs, world.clock.now() - since)
    }
    swarm.requests.request(newRequest(id)).then(ended, ended)
  }
  ask('before')
  await world.clock.until(() => outcomes.size === 1)
  for (const id of ['beside-1', 'beside-2', 'beside-3']) ask(id)
  const producer = await log.producer()
  for (const partition of topic === null ? [] : [0, 1]) {
    const plain = { key: Buffer.from(`hostile-${partition}`), value: Buffer.from('{}'), timestamp: world.clock.now(), headers: [json] }
    void producer.send({ ...plain, ...record, topic: topic ?? '', partition }).catch(() => {})
  }
  await world.clock.advance(10)
  for (const id of ['after-1', 'after-2']) ask(id)
  await world.clock.advance(5000)
  const states = [...outcomes].map(([id, outcome]) => `${id} ${outcome instanceof Error ? outcome.message : outcome.state}`).sort()
  const metrics = swarm.application.metrics(world.clock.now())
  const putAside = metrics.reduce((sum, { name, value }) => sum + (name === 'dropped-records-total' ? value : 0), 0)
  const letters = world.disk.topics.get('waggle.three.dead-letters')?.partitions.flatMap(({ records }) => records) ?? []
  const strangers = world.disk.topics.get('somebody.elses')?.partitions[0]?.records.length ?? 0
  const topics = [...world.disk.topics.keys()].filter((name) => name !== 'somebody.elses')
  const failures = swarm.failures.map(({ message }) => message)
  let isClosed = false
  void swarm.close().then(() => {
    isClosed = true
  })
  await world.clock.until(() => isClosed)
  const headersOf = (headers: readonly Header[]) => Object.fromEntries(headers.map(({ key, value }) => [key, Buffer.from(value ?? []).toString()]))
  return {
    letters: letters.map(({ headers }) => headersOf(headers)),
    states,
    slowestMs,
    topics,
    failures,
    putAside: putAside + letters.length,
    strangers,
  }
}

describe('A foreign record that Waggle would not write', () => {
  const reads = ['waggle.three-accepted-repartition', 'waggle.three.prepare', 'waggle.three.a', 'waggle.three.b', 'waggle.three.c']
  for (const [name, code] of [
    ['a tombstone', 'WAGGLE_RECORD_INCOMPLETE'],
    ['a record without key', 'WAGGLE_RECORD_INCOMPLETE'],
  ] as const) {
    for (const topic of reads) {
      it(`becomes a dead letter with its place: ${name}, on ${topic}`, async () => {
        const { letters } = await run(likeKafka, topic, hostile[name] ?? {})
        for (const partition of ['0', '1']) {
          const own = letters.filter((letter) => letter['waggle-dead-letter-topic'] === topic && letter['waggle-dead-letter-partition'] === partition)
          assert.ok(own.length > 0, partition)
          for (const letter of own) assert.equal(letter['waggle-dead-letter-code'], code)
        }
      })
    }
  }

  for (const [name, topic, code] of [
    ['a ledger message of nothing', 'waggle.three-accepted-repartition', 'WAGGLE_FOREIGN_RECORD'],
    ['a ledger message without fields', 'waggle.three-accepted-repartition', 'WAGGLE_FOREIGN_RECORD'],
    ['a ledger message with a reply that is a number', 'waggle.three-accepted-repartition', 'WAGGLE_FOREIGN_RECORD'],
    ['a ledger message with a deadline of text', 'waggle.three-accepted-repartition', 'WAGGLE_FOREIGN_RECORD'],
    ['a ledger message that asks for a foreign topic', 'waggle.three-accepted-repartition', 'WAGGLE_REPLY_TOPIC_REFUSED'],
    ['a ledger message that wants its answer in a partition that is not there', 'waggle.three-accepted-repartition', 'WAGGLE_REPLY_PARTITION'],
    ['a request id of 1 MB', 'waggle.gateway.door', 'WAGGLE_REQUEST_ID'],
    ['an empty request id', 'waggle.gateway.door', 'WAGGLE_REQUEST_ID'],
    ['a reply topic that is not allowed', 'waggle.gateway.door', 'WAGGLE_REPLY_TOPIC_REFUSED'],
  ] as const) {
    it(`becomes a dead letter with the code ${code}: ${name}, on ${topic}`, async () => {
      const { letters } = await run(likeKafka, topic, hostile[name] ?? {})
      assert.deepEqual(
        letters.map((letter) => [letter['waggle-dead-letter-code'], letter['waggle-dead-letter-topic']]),
        [
          [code, topic],
          [code, topic],
        ],
      )
    })
  }
})

for (const [kind, traits] of [
  ['that hands records on', likeEmbedded],
  ['like Kafka', likeKafka],
] as const) {
  describe(`A foreign record on a log ${kind}`, () => {
    let calmRun: Promise<Ran> | null = null
    for (const [at, [name, record]] of Object.entries(hostile).entries()) {
      it(`changes the outcome of no other record, on any topic of the swarm: ${name}`, async () => {
        calmRun ??= run(traits, null, {})
        const calm = await calmRun
        assert.equal(calm.states.length, 6)
        for (const topic of propertyCases(calm.topics, at)) {
          const ran = await run(traits, topic, record)
          assert.deepEqual(ran.states, calm.states, topic)
          assert.ok(ran.slowestMs <= calm.slowestMs + 200, `${topic}: ${ran.slowestMs} ms, and ${calm.slowestMs} ms without it`)
          assert.deepEqual(ran.failures, [], topic)
          assert.equal(ran.strangers, 0, `${topic} has written to a topic that nobody allowed`)
        }
      })
    }
  })
}
