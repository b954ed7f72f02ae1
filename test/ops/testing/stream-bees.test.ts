import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Type } from 'typebox'
import {
  type BeeDefinition,
  defineBee,
  defineSwarm,
  Grouped,
  JoinWindows,
  type KStream,
  loadSwarm,
  Materialized,
  Refused,
  Serdes,
  StreamJoined,
  type StreamsBuilder,
  type SwarmDefinition,
  TimeWindows,
} from 'waggle-streams'
import { SwarmTestDriver } from 'waggle-streams/testing'

interface Payment {
  readonly card: string
  readonly amount: number
}

function refuse(): never {
  throw new Refused('No such card')
}

type Connect = (input: KStream<string, never>, builder: StreamsBuilder) => KStream<string, unknown> | null

function beeOf(
  connect: (input: KStream<string, never>, builder: StreamsBuilder) => unknown,
  more: Partial<BeeDefinition<never, never, unknown>> = {},
) {
  return defineBee({
    type: 'steps',
    summary: 'Steps of the DSL.',
    delivery: 'Once.',
    spec: Type.Object({}, { additionalProperties: false }),
    create: () => ({ connect: connect as Connect }),
    ...(more as object),
  })
}

function swarmOf(type: ReturnType<typeof beeOf>, changes: readonly object[] = []): SwarmDefinition {
  const bees = [
    { name: 'input', type: 'gateway-input', spec: { name: 'payments' } },
    { name: 'counts', type, input: { name: 'input' } },
    { name: 'answer', type: 'respond', input: { name: 'counts' } },
  ]
  return { name: 'cards', bees: [...bees, ...(changes as typeof bees)] }
}

/** Counts the payments of a card. The value contains the request id, because the card is the key of the count. */
const countByCard: Connect = (input) =>
  (input as unknown as KStream<string, Payment>)
    .map((id, { card }) => [card, id])
    .groupByKey(Grouped.as('by-card'))
    .aggregate(
      (): { readonly id: string; readonly count: number } => ({ id: '', count: 0 }),
      (_, id, { count }) => ({ id, count: count + 1 }),
      Materialized.as('payments-by-card'),
    )
    .toStream()
    .map((card, counted) => [counted?.id ?? '', { card, count: counted?.count ?? 0 }])

describe('A bee whose create returns connect', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-stream-bees-'))
  after(() => rmSync(directory, { recursive: true }))

  it('counts by its own key, and answers each request', async () => {
    await using driver = new SwarmTestDriver(swarmOf(beeOf(countByCard)))
    const answers = []
    for (const card of ['a', 'b', 'a', 'a']) answers.push((await driver.request({ card, amount: 1 })).body)
    const counted = [
      ['a', 1],
      ['b', 1],
      ['a', 2],
      ['a', 3],
    ].map(([card, count]) => ({ card, count }))
    assert.deepEqual(answers, counted)
    assert.deepEqual(driver.published('counts'), counted)
  })

  it('counts in windows of the clock', async () => {
    const inMinutes: Connect = (input) =>
      (input as unknown as KStream<string, Payment>)
        .map((id, { card }) => [card, id])
        .groupByKey(Grouped.as('by-card'))
        .windowedBy(TimeWindows.ofSizeWithNoGrace(60_000))
        .aggregate(
          () => ({ id: '', count: 0 }),
          (_, id, { count }) => ({ id, count: count + 1 }),
          Materialized.as('payments-a-minute'),
        )
        .toStream()
        .map(({ window }, counted) => [counted?.id ?? '', { start: window.start, count: counted?.count }])
    await using driver = new SwarmTestDriver(swarmOf(beeOf(inMinutes)))
    const ask = async () => (await driver.request({ card: 'a', amount: 1 })).body
    assert.deepEqual(
      [await ask(), await ask()],
      [
        { start: 0, count: 1 },
        { start: 0, count: 2 },
      ],
    )
    await driver.advanceWallClockTime(61_000)
    assert.deepEqual(await ask(), { start: 60_000, count: 1 })
  })

  it('joins two bees in a window by its own key', async () => {
    const pairs: Connect = (input) => {
      const both = input as unknown as KStream<string, { readonly kind: 'order' | 'payment'; readonly order: string }>
      const keyed = (kind: 'order' | 'payment') => both.filter((_, value) => value.kind === kind).map((id, { order }) => [order, id])
      return keyed('order')
        .join(
          keyed('payment'),
          (order, payment) => ({ order, payment }),
          JoinWindows.ofTimeDifferenceWithNoGrace(10_000),
          StreamJoined.with(Serdes.string(), Serdes.string(), Serdes.string(), { name: 'pairs', storeName: 'pairs' }),
        )
        .map((_, ids) => [ids.payment, ids])
    }
    await using driver = new SwarmTestDriver(swarmOf(beeOf(pairs)))
    const order = driver.request({ kind: 'order', order: '7' })
    await driver.advanceWallClockTime(1000)
    const { requestId, body } = await driver.request({ kind: 'payment', order: '7' })
    assert.equal((body as { readonly payment: string }).payment, requestId)
    // The order itself has no result, so its deadline passes.
    await driver.advanceWallClockTime(30_000)
    assert.equal((await order).status, 504)
  })

  it('gets the inputs of a join as one object, and the inputs of a stack one by one', async () => {
    const plus = (by: number) =>
      defineBee({
        type: `plus-${by}`,
        summary: 'Adds.',
        delivery: 'Again.',
        spec: Type.Object({}),
        create: () => ({ process: ({ value }: { readonly value: number }) => value + by }),
      })
    const bees = (input: object) => [
      { name: 'input', type: 'gateway-input', spec: { name: 'numbers' } },
      { name: 'one', type: plus(1), input: { name: 'input' } },
      { name: 'two', type: plus(2), input: { name: 'input' } },
      { name: 'sums', type: beeOf((stream) => stream.mapValues((value) => ({ got: value }))), input },
      { name: 'answer', type: 'respond', input: { name: 'sums' } },
    ]
    await using joined = new SwarmTestDriver({ name: 'joined', bees: bees({ join: ['one', 'two'] }) as SwarmDefinition['bees'] })
    assert.deepEqual((await joined.request({ value: 10 })).body, { got: { one: 11, two: 12 } })
    await using stacked = new SwarmTestDriver({ name: 'stacked', bees: bees({ stack: ['one', 'two'] }) as SwarmDefinition['bees'] })
    await stacked.request({ value: 10 })
    assert.deepEqual(new Set(stacked.published('sums').map((given) => (given as { readonly got: number }).got)), new Set([11, 12]))
  })

  it('keeps bytes in its stores and topics', async () => {
    const last: Connect = (input) =>
      (input as unknown as KStream<string, Uint8Array>)
        .map((id, bytes) => ['all', { id, bytes }])
        .groupByKey(Grouped.as('all'))
        .reduce((_, next) => next, Materialized.as('last'))
        .toStream()
        .map((_, kept) => [kept?.id ?? '', { contentType: 'image/png', bytes: kept?.bytes }])
    await using driver = new SwarmTestDriver(swarmOf(beeOf(last)))
    const { status, body } = await driver.request(Uint8Array.of(0, 1, 255), { headers: { 'content-type': 'image/png' } })
    assert.deepEqual([status, body], [200, Uint8Array.of(0, 1, 255)])
  })

  it('passes on an error of the previous bee without a call', async () => {
    const failing = defineBee({
      type: 'failing',
      summary: 'Fails.',
      delivery: 'Again.',
      spec: Type.Object({}),
      create: () => ({
        process: () => {
          throw new Error('The scale is broken')
        },
      }),
    })
    const bees = [
      { name: 'input', type: 'gateway-input', spec: { name: 'numbers' } },
      { name: 'weigh', type: failing, input: { name: 'input' } },
      { name: 'counts', type: beeOf(() => assert.fail('Nothing comes here') as never), input: { name: 'weigh' } },
      { name: 'answer', type: 'respond', input: { name: 'counts' } },
    ]
    const steps = beeOf((stream) => stream.mapValues(() => assert.fail('Nothing comes here')))
    await using driver = new SwarmTestDriver({ name: 'broken', bees: bees.map((bee) => (bee.name === 'counts' ? { ...bee, type: steps } : bee)) })
    const { status, body } = await driver.request({})
    assert.deepEqual([status, (body as { readonly bee: string }).bee], [502, 'weigh'])
    assert.deepEqual(
      driver.deadLetters().map(({ bee }) => bee),
      ['weigh'],
    )
  })

  for (const [step, connect] of [
    ['its first step', (stream: KStream<string, never>) => stream.mapValues(refuse)],
    [
      'a step after a repartition',
      (stream: KStream<string, never>) =>
        stream
          .map((_, payment: Payment) => [payment.card, payment])
          .groupByKey(Grouped.as('by-card'))
          .aggregate(() => 0, refuse, Materialized.as('refusing'))
          .toStream()
          .map((id) => [id, 1]),
    ],
  ] as const) {
    it(`answers 422 with the message of a Refused that ${step} throws, and keeps no dead letter`, async () => {
      await using driver = new SwarmTestDriver(swarmOf(beeOf(connect as Connect)))
      const { status, body } = await driver.request({ card: 'a', amount: 1 })
      const { detail, bee } = body as { readonly detail: string; readonly bee: string }
      assert.deepEqual([status, detail, bee], [422, 'No such card', 'counts'])
      assert.deepEqual(driver.deadLetters(), [])
    })
  }

  for (const [step, connect] of [
    ['its first step', (stream: KStream<string, never>) => stream.mapValues(() => assert.fail('No such card'))],
    [
      'a step after a repartition',
      (stream: KStream<string, never>) =>
        (stream as unknown as KStream<string, Payment>)
          .map((id, { card }) => [card, id])
          .groupByKey(Grouped.as('by-card'))
          .aggregate(
            () => 0,
            () => assert.fail('No such card'),
            Materialized.as('broken'),
          )
          .toStream()
          .map((id) => [id, 1]),
    ],
  ] as const) {
    it(`answers 502 for a request at which ${step} throws, keeps the request as a dead letter, and continues with other requests`, async () => {
      const type = beeOf(connect as Connect)
      await using driver = new SwarmTestDriver(swarmOf(type))
      for (const card of ['a', 'b']) {
        const { status, body } = await driver.request({ card, amount: 1 })
        assert.equal(status, 502)
        assert.equal((body as { readonly bee: string }).bee, 'counts')
        assert.match((body as { readonly detail: string }).detail, /No such card/)
      }
      assert.deepEqual(
        driver.deadLetters().map(({ bee }) => bee),
        ['counts', 'counts'],
      )
    })
  }

  it('answers 502 for a result that cannot be passed on', async () => {
    await using driver = new SwarmTestDriver(swarmOf(beeOf((stream) => stream.mapValues(() => () => 1))))
    const { status, body } = await driver.request({})
    assert.deepEqual([status, (body as { readonly code: string }).code], [502, 'WAGGLE_BEE_OUTPUT'])
  })

  it('answers 502 for a result without a request id as its key', async () => {
    await using driver = new SwarmTestDriver(swarmOf(beeOf((stream) => stream.selectKey(() => 5))))
    const { status, body } = await driver.request({})
    assert.equal(status, 502)
    assert.match((body as { readonly detail: string }).detail, /key is not a request id but a number/)
  })

  it('may produce nothing if no bee reads it', async () => {
    const seen: unknown[] = []
    const quiet = beeOf((stream) => {
      stream.foreach((_, value) => seen.push(value))
      return null
    })
    const [input, counts] = swarmOf(quiet).bees
    assert.ok(input !== undefined && counts !== undefined)
    await using driver = new SwarmTestDriver({ name: 'quiet', bees: [input, counts] })
    assert.equal((await driver.request({ card: 'a' })).status, 202)
    assert.deepEqual(seen, [{ card: 'a' }])
    assert.throws(() => defineSwarm(swarmOf(quiet)), { code: 'WAGGLE_INVALID_BEE', message: /returns null, and other bees read counts/ })
  })

  it('has its own sub-topologies, between the topics of its input and its output', () => {
    const { subtopologies } = JSON.parse(defineSwarm(swarmOf(beeOf(countByCard))).plan('json'))
    assert.deepEqual(
      subtopologies.map(({ bees, sources, sinks }: { readonly [key: string]: unknown }) => ({ bees, sources, sinks })),
      [
        { bees: ['input'], sources: ['waggle.gateway.payments'], sinks: ['waggle.cards-accepted-repartition', 'waggle.cards.input'] },
        { bees: ['counts'], sources: ['waggle.cards.input'], sinks: ['waggle.cards.counts', 'waggle.cards-by-card-repartition'] },
        { bees: ['answer'], sources: ['waggle.cards.counts', 'waggle.cards-accepted-repartition'], sinks: ['waggle.cards.answer'] },
        { bees: ['counts'], sources: ['waggle.cards-by-card-repartition'], sinks: ['waggle.cards.counts'] },
      ],
    )
  })

  it('has generated names that differ from the names of another bee', () => {
    const unnamed = beeOf((input) =>
      (input as unknown as KStream<string, Payment>)
        .map((id, { card }) => [card, id])
        .groupByKey()
        .count()
        .toStream()
        .map((card) => [card, 1]),
    )
    const twice = swarmOf(unnamed, [{ name: 'again', type: unnamed, input: { name: 'input' } }])
    const { stores } = defineSwarm(twice).topology
    assert.ok([...stores.keys()].some((name) => name.startsWith('counts.KSTREAM-AGGREGATE-STATE-STORE-')))
    assert.ok([...stores.keys()].some((name) => name.startsWith('again.KSTREAM-AGGREGATE-STATE-STORE-')))
  })

  for (const [what, connect, error] of [
    ['returns nothing', () => undefined, { code: 'WAGGLE_INVALID_BEE', message: /connect of counts returns nothing/ }],
    [
      'returns a table',
      (stream: KStream<string, never>) => stream.toTable(),
      { code: 'WAGGLE_INVALID_BEE', message: /connect of counts returns a object/ },
    ],
    ['throws', () => assert.fail('Out of order'), { code: 'WAGGLE_INVALID_BEE', message: /connect of counts failed: Out of order/ }],
    [
      'has an asynchronous step after its state',
      (stream: KStream<string, never>) =>
        stream
          .groupByKey()
          .count(Materialized.as('seen'))
          .toStream()
          .mapAsync(async (value) => value, { concurrency: 1, timeoutMs: 1000 }),
      { code: 'WAGGLE_ASYNC_AFTER_STATE' },
    ],
  ] as const) {
    it(`is refused if it ${what}`, () => {
      assert.throws(() => defineSwarm(swarmOf(beeOf(connect))), error)
    })
  }

  it('is refused after a batch, and with a GPU, with the places of both', () => {
    const [input, counts, answer] = swarmOf(beeOf(countByCard)).bees
    assert.ok(input !== undefined && counts !== undefined && answer !== undefined)
    const batch = { name: 'batching', type: 'batch', input: { name: 'input' }, spec: { batch_size: 2, timeout_seconds: 1 } }
    const swarm = { name: 'cards', bees: [input, batch, { ...counts, input: { name: 'batching' }, gpu: 1 }, answer] }
    assert.throws(
      () => defineSwarm(swarm),
      ({ cause }: Error) => {
        assert.ok(cause instanceof AggregateError)
        const texts = cause.errors.map(({ place, message }) => `${place.replace(/^.*: /, '')}: ${message}`)
        assert.deepEqual(texts, [
          'bees[2].input: counts cannot be fed batches',
          'bees[2].gpu: counts consists of steps of the DSL, which cannot use a GPU',
        ])
        return true
      },
    )
  })

  it('may have an async create in a test driver', async () => {
    const type = beeOf(countByCard, { create: async () => ({ connect: countByCard }) } as never)
    await using driver = new SwarmTestDriver(swarmOf(type))
    assert.deepEqual((await driver.request({ card: 'a', amount: 1 })).body, { card: 'a', count: 1 })
  })

  describe('from a file, as the type streams,', () => {
    const file = join(directory, 'swarm.yaml')
    let written = 0
    // Node loads a module only once, so each module has a separate file.
    const write = (module: string, type = 'streams') => {
      const name = `steps-${written++}.ts`
      writeFileSync(join(directory, name), module)
      writeFileSync(
        file,
        `name: cards
bees:
  - {name: input, type: gateway-input, spec: {name: payments}}
  - {name: counts, type: ${type}, input: {name: input}, spec: {file: ./${name}}}
  - {name: answer, type: respond, input: {name: counts}}
`,
      )
    }

    it('counts its input', async () => {
      write(`export default {
  connect: (input) => input.groupBy((id, { card }) => card).count().toStream().map((card, count) => [String(count), card]).filter(() => false).merge(input.mapValues(({ card }) => card)),
}`)
      await using driver = new SwarmTestDriver(file)
      assert.equal((await driver.request({ card: 'a' })).body, 'a')
      assert.ok([...(await loadSwarm(file)).topology.stores.keys()].some((name) => name.startsWith('counts.KSTREAM-AGGREGATE')))
    })

    it('is refused for a function of requests, while the type module is refused for DSL steps', async () => {
      write('export default (input) => input')
      await assert.rejects(loadSwarm(file), { code: 'WAGGLE_INVALID_MODULE', next: /type module/, place: /swarm\.yaml:4:/ })
      write('export default { connect: (input) => input }', 'module')
      await using driver = new SwarmTestDriver(file)
      await assert.rejects(driver.request({}), { code: 'WAGGLE_INVALID_MODULE', next: /type streams/ })
    })
  })
})
