import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'
import { EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { Segments } from '../../../connectors/log/embedded/segments.ts'
import { Rocks } from '../../../connectors/rocksdb/rocks.ts'
import { DeadLetters } from '../../../ops/inspection/dead-letters.ts'
import { OpenLetters } from '../../../ops/inspection/open-letters.ts'
import { ShownValues } from '../../../ops/inspection/shown-values.ts'
import type { Log, LogRecord, ProducerRecord } from '../../../processor/ports.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { headerText, textHeader } from '../../../topology/record.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import {
  deadLetterOffsetHeader,
  deadLetterPartitionHeader,
  deadLetterSettledHeader,
  deadLetterTopicHeader,
  requestIdHeader,
} from '../../../topology/swarm/request/headers.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

const [lettersTopic, inputTopic] = ['waggle.shop.dead-letters', 'waggle.gateway.door']

describe('The dead letters of a log', () => {
  let directory: string
  let clock: SimulatedClock
  let log: EmbeddedLog
  let letters: DeadLetters

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-letters-'))
    clock = new SimulatedClock()
    await open()
    await log.createTopics([lettersTopic, inputTopic].map((name) => ({ name, partitions: 1, cleanup: 'delete' as const, retentionMs: null })))
  })
  afterEach(async () => {
    await letters.close()
    await log.close()
    rmSync(directory, { recursive: true })
  })

  async function open(): Promise<void> {
    log = await openEmbeddedLog({ directory, clock })
    letters = lettersOf(log)
  }

  const lettersOf = (of: Log) => new DeadLetters({ log: of, clock, values: new ShownValues(null) })

  async function append(records: readonly Partial<ProducerRecord>[]): Promise<void> {
    const producer = await log.taskProducer({ group: 'shop' })
    const record = { topic: lettersTopic, partition: 0, key: null, value: null, timestamp: clock.now(), headers: [] }
    for (const one of records) producer.append({ ...record, ...one })
    await producer.commit({ positions: [], state: [] })
  }

  /** A letter for the input at this offset of the gateway's topic. */
  const letter = (value: Uint8Array, input = 0): Partial<ProducerRecord> => ({
    key: Buffer.from(`request-${input}`),
    value,
    headers: [
      textHeader(deadLetterTopicHeader, inputTopic),
      textHeader(deadLetterPartitionHeader, '0'),
      textHeader(deadLetterOffsetHeader, String(input)),
    ],
  })
  const settlement = (offset: number): Partial<ProducerRecord> => ({
    value: Buffer.from(String(offset)),
    headers: [textHeader(deadLetterSettledHeader, 'discarded')],
  })
  const input = (value: Uint8Array): Partial<ProducerRecord> => ({
    topic: inputTopic,
    key: Buffer.from('request-0'),
    value,
    headers: [textHeader(requestIdHeader, 'request-0')],
  })

  /** Creates these topics with one input each, and appends a letter for each input. */
  async function appendLettersAbout(topics: readonly string[]): Promise<void> {
    await log.createTopics(topics.map((name) => ({ name, partitions: 1, cleanup: 'delete' as const, retentionMs: null })))
    await append(topics.map((topic) => ({ ...input(Buffer.from('bread')), topic })))
    const headers = (topic: string) => [
      textHeader(deadLetterTopicHeader, topic),
      textHeader(deadLetterPartitionHeader, '0'),
      textHeader(deadLetterOffsetHeader, '0'),
    ]
    await append(topics.map((topic) => ({ ...letter(Buffer.from('bread')), headers: headers(topic) })))
  }

  async function listed(max = 100, after: string | null = null): Promise<{ readonly ids: readonly string[]; readonly next: string | null }> {
    const { dead_letters, next } = await letters.list({ swarm: null, max, after })
    return { ids: dead_letters.map(({ id }) => id), next }
  }

  async function inputs(of: Log = log): Promise<readonly LogRecord[]> {
    const { start = 0, end = 0 } = (await of.topic(inputTopic))?.offsets[0] ?? {}
    return (await Array.fromAsync(of.read({ topic: inputTopic, partition: 0, from: start, to: end }), ({ records }) => records)).flat()
  }

  it('are found after any number of settlements of other letters', async () => {
    await append([letter(Buffer.from('open')), letter(Buffer.from('settled'))])
    await append(Array.from({ length: 20_000 }, () => settlement(1)))
    assert.deepEqual(await listed(), { ids: ['shop:0:0'], next: null })
    await letters.discard('shop:0:0')
    assert.deepEqual(await listed(), { ids: [], next: null })
  })

  it('are listed page by page, even if the last letter of a page is settled before the next page', async () => {
    for (let at = 0; at < 5; at++) {
      await append([letter(Buffer.from([at]))])
      await clock.advance(1000)
    }
    const first = await listed(2)
    assert.deepEqual(first.ids, ['shop:0:4', 'shop:0:3'])
    await letters.discard('shop:0:3')
    const second = await listed(2, first.next)
    assert.deepEqual(second.ids, ['shop:0:2', 'shop:0:1'])
    await log.deleteBefore([{ topic: lettersTopic, partition: 0, offset: 2 }])
    assert.deepEqual(await listed(2, second.next), { ids: [], next: null })
    assert.deepEqual((await listed(2, 'shop:0:4')).ids, ['shop:0:2'])
    await assert.rejects(listed(2, 'shop:0:77'), { code: 'WAGGLE_UNKNOWN_DEAD_LETTER' })
  })

  it('are listed page by page, even if their timestamps are not dates', async () => {
    const timestamps = [-(2 ** 63), -9e15, -1.5, 1e-7, 0.1 + 0.2, 1_700_000_000_000.25, 9e15, 2 ** 63, 1e300]
    for (const timestamp of timestamps) await append([{ ...letter(Buffer.from('x')), timestamp }])
    const ids: string[] = []
    let after: string | null = null
    do {
      const page: { readonly ids: readonly string[]; readonly next: string | null } = await listed(1, after)
      ids.push(...page.ids)
      after = page.next
    } while (after !== null)
    assert.deepEqual(ids, timestamps.map((_, offset) => `shop:0:${offset}`).reverse())
  })

  it('are listed without reading other letters’ large values, and other work gets turns meanwhile', async (t) => {
    await append(Array.from({ length: 3000 }, (_, at) => letter(Buffer.alloc(17_000, at % 250))))
    await letters.close()
    await log.close()
    await open()
    const payload = t.mock.method(Segments.prototype, 'payload')
    let turns = 0
    let isOver = false
    const count = () => {
      turns++
      if (!isOver) setImmediate(count)
    }
    setImmediate(count)
    const { ids } = await listed(10)
    isOver = true
    assert.equal(ids.length, 10)
    assert.ok(payload.mock.callCount() <= 10, `${payload.mock.callCount()} values`)
    assert.ok(turns > 10, `${turns} turns`)
  })

  it('are listed in pages of about 64 MiB of read values', async () => {
    for (let at = 0; at < 4; at++) await append([letter(Buffer.alloc(30 * 1024 * 1024, at))])
    const page = await listed()
    assert.equal(page.ids.length, 3)
    assert.equal((await listed(100, page.next)).ids.length, 1)
  })

  it('are kept in memory if they are the newest open letters, and older letters are found again after the newest are settled', async () => {
    const open = new OpenLetters(log, 'shop', { maxOpen: 4 })
    const offsets = async () => {
      await open.refresh()
      return Array.from(open, ({ offset }) => offset)
    }
    await append(Array.from({ length: 10 }, () => letter(Buffer.from('x'))))
    assert.deepEqual(await offsets(), [9, 8, 7, 6])
    assert.deepEqual(
      [9, 1, 0].map((offset) => open.isOpen(0, offset)),
      [true, true, true],
    )
    await append([9, 8].map(settlement))
    assert.deepEqual(await offsets(), [7, 6, 5, 4])
    await append([settlement(3)])
    assert.deepEqual(await offsets(), [7, 6, 5, 4])
    assert.deepEqual(
      [8, 3, 2].map((offset) => open.isOpen(0, offset)),
      [false, false, true],
    )
    await append([7, 6, 5, 4, 3, 2].map(settlement))
    assert.deepEqual(await offsets(), [1, 0])
  })

  it('are read from the log again once, and not without end, after more than half of the newest letters are settled', async (t) => {
    const read = EmbeddedLog.prototype.read
    let reads = 0
    t.mock.method(EmbeddedLog.prototype, 'read', function (this: EmbeddedLog, ...given: Parameters<EmbeddedLog['read']>) {
      if (++reads > 10) throw new Error('the list is read without end')
      return read.apply(this, given)
    })
    const open = new OpenLetters(log, 'shop', { maxOpen: 10 })
    // The letters fill two runs of the reader, so the settlements are in a later run.
    await append(Array.from({ length: 2000 }, () => letter(Buffer.from('x'))))
    await open.refresh()
    await append([1999, 1998, 1997, 1996, 1995, 1994, 1993, 1992].map(settlement))
    await open.refresh()
    assert.equal(reads, 3)
    assert.deepEqual(
      Array.from(open, ({ offset }) => offset),
      [1991, 1990, 1989, 1988, 1987, 1986, 1985, 1984, 1983, 1982],
    )
  })

  it('stay open if a settlement names an offset without an earlier letter', async () => {
    await append([
      letter(Buffer.from('first')),
      settlement(2),
      letter(Buffer.from('last')),
      settlement(-1),
      settlement(2.5),
      { ...settlement(0), value: Buffer.from('x') },
    ])
    assert.deepEqual((await listed()).ids.toSorted(), ['shop:0:0', 'shop:0:2'])
    await letters.discard('shop:0:2')
    assert.deepEqual((await listed()).ids, ['shop:0:0'])
  })

  it('are settled only once, regardless of the spelling of their id', async () => {
    await append([letter(Buffer.from('x'))])
    const outcomes = await Promise.allSettled(['shop:0:0', 'shop:0:00', 'shop:00:0'].map((id) => letters.discard(id)))
    assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected', 'rejected'])
    await assert.rejects(letters.retry('shop:0:000'), { code: 'WAGGLE_DEAD_LETTER_SETTLED' })
  })

  it('are sent again and settled by one write', async (t) => {
    await append([input(Buffer.from('bread'))])
    await append([letter(Buffer.from('bread'))])
    const write = Rocks.prototype.write
    let writes = 0
    t.mock.method(Rocks.prototype, 'write', function (this: Rocks, ...given: Parameters<Rocks['write']>) {
      if (++writes > 1) throw new Error('the process ends here')
      write.apply(this, given)
    })
    const { topic, partition, offset } = await letters.retry('shop:0:0')
    t.mock.restoreAll()
    assert.deepEqual([topic, partition, offset], [inputTopic, 0, 1])
    assert.deepEqual((await listed()).ids, [])
    assert.deepEqual(
      (await inputs()).map(({ value }) => String(value)),
      ['bread', 'bread'],
    )
  })

  it('become the same request again if a retry is repeated after a crash, on a log without transactions', async () => {
    await append([input(Buffer.from('bread'))])
    await append([letter(Buffer.from('bread'))])
    let crashes = true
    const loose: Log = Object.create(log, {
      traits: { value: { ...log.traits, atomicCommit: false } },
      producer: {
        value: async () => {
          const producer = await log.producer()
          return {
            send: async (record: ProducerRecord) => {
              if (crashes && record.topic === lettersTopic) throw new Error('the process ends here')
              return producer.send(record)
            },
            close: () => producer.close(),
          }
        },
      },
      topic: { value: (name: string) => log.topic(name) },
      read: { value: (options: Parameters<Log['read']>[0]) => log.read(options) },
    })
    await assert.rejects(lettersOf(loose).retry('shop:0:0'), /ends here/)
    crashes = false
    const { request_id } = await lettersOf(loose).retry('shop:0:0')
    const ids = (await inputs()).map(({ headers }) => headerText(headers, requestIdHeader))
    assert.deepEqual(ids, ['request-0', request_id, request_id])
    assert.deepEqual((await listed()).ids, [])
  })

  it('stay open and send nothing if their input comes from a topic that the swarm does not read', async () => {
    const names = ['payments', 'waggle.shop-b.work', 'waggle.shop-b-x-repartition', 'waggle.shop-b.dead-letters', 'waggle.shopping.work']
    const topics = [...names, 'waggle.shop-ask-join-repartition', 'waggle.shop.ask']
    await appendLettersAbout(topics)
    for (const at of names.keys()) await assert.rejects(letters.retry(`shop:0:${at}`), { code: 'WAGGLE_DEAD_LETTER_EMPTY' })
    for (const name of names) assert.equal((await log.topic(name))?.offsets[0]?.end, 1, name)
    const open = new Set((await listed()).ids)
    for (const at of names.keys()) assert.ok(open.has(`shop:0:${at}`))
    assert.equal((await letters.retry('shop:0:5')).request_id, 'request-0')
    assert.equal((await letters.retry('shop:0:6')).topic, 'waggle.shop.ask')
  })

  it('are sent again only to topics that a plan reads, if their swarm runs in the process', async () => {
    const file = `name: shop
bees:
  - { name: entrance, type: kafka-input, spec: { topic: orders } }
  - { name: answer, type: respond, input: { name: entrance } }
`
    const settings = { partitions: 1, retentionMs: 1000, retentionBytes: null, answerPartitions: null }
    const plan = planSwarm(checkSwarm(SwarmDocument.parse(file, 'swarm.yaml'), new BeeRegistry()), settings)
    const topics = ['orders', 'payments', 'waggle.gateway.other', 'waggle.shop.other']
    await appendLettersAbout(topics)
    const planned = new DeadLetters({ log, clock, values: new ShownValues(null), plans: [plan] })
    assert.equal((await planned.retry('shop:0:0')).topic, 'orders')
    for (const at of [1, 2, 3]) await assert.rejects(planned.retry(`shop:0:${at}`), { code: 'WAGGLE_DEAD_LETTER_EMPTY' })
    await planned.close()
  })

  it('stay open and send nothing if their input is damaged', async () => {
    await append([input(Buffer.alloc(20_000, 7))])
    await append([letter(Buffer.from('bread'))])
    await letters.close()
    await log.close()
    const [file = ''] = readdirSync(join(directory, 'segments'))
    const bytes = readFileSync(join(directory, 'segments', file))
    bytes[100] = 8
    writeFileSync(join(directory, 'segments', file), bytes)
    await open()
    await assert.rejects(letters.retry('shop:0:0'), { code: 'WAGGLE_LOG_CORRUPT' })
    assert.equal((await inputs()).length, 1)
    assert.deepEqual((await listed()).ids, ['shop:0:0'])
  })
})
