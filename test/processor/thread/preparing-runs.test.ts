import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Application } from '../../../processor/application/application.ts'
import { type FailurePolicy, failAlways } from '../../../processor/task/failures.ts'
import { Consumed } from '../../../topology/consumed.ts'
import { Topology } from '../../../topology/graph.ts'
import { Produced } from '../../../topology/produced.ts'
import { textHeader } from '../../../topology/record.ts'
import type { Serde } from '../../../topology/serde.ts'
import { Serdes } from '../../../topology/serdes.ts'
import { Unavailable, type WaggleError } from '../../../topology/waggle-error.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

/** The serde of words that cannot be read before their first letter has been fetched. */
class FetchedLetters implements Serde<string> {
  readonly known = new Set<string>()
  readonly asked: string[] = []
  readonly #fetch: (letter: string) => Promise<void>

  constructor(fetch: (letter: string) => Promise<void>) {
    this.#fetch = fetch
  }

  serialize(_: string, value: string) {
    return Buffer.from(value)
  }

  prepare(_: string, data: Uint8Array): Promise<void> | null {
    const letter = String.fromCharCode(data[0] ?? 0)
    if (this.known.has(letter)) return null
    this.asked.push(letter)
    return this.#fetch(letter).then(() => void this.known.add(letter))
  }

  deserialize(_: string, data: Uint8Array) {
    const word = Buffer.from(data).toString()
    if (!this.known.has(word.charAt(0))) throw new Error(`${word} was read too early`)
    return word
  }
}

class Program {
  readonly world = new SimulatedWorld()
  readonly log = this.world.boot()
  readonly failures: WaggleError[] = []
  readonly application: Application

  constructor(words: Serde<string>, policy: FailurePolicy = failAlways) {
    const topology = new Topology()
      .addSource('words', 'in', Consumed.with(Serdes.string(), words))
      .addSink('results', 'out', ['words'], Produced.with(Serdes.string(), Serdes.string()))
    this.application = new Application({
      applicationId: 'test',
      topology,
      log: this.log,
      clock: this.world.clock,
      topics: ['in', 'out', 'letters'].map((name) => ({ name, partitions: 2, retentionMs: null, cleanup: 'delete' as const })),
      failures: policy,
      onFailure: (error) => this.failures.push(error),
    })
  }

  async start(): Promise<void> {
    let started = false
    void this.application.start().then(() => {
      started = true
    })
    await this.world.clock.until(() => started)
  }

  async send(partition: number, words: readonly string[]): Promise<void> {
    const producer = await this.log.producer()
    for (const word of words)
      void producer.send({ topic: 'in', partition, key: Buffer.from('k'), value: Buffer.from(word), timestamp: 0, headers: [] })
  }

  /** The committed words of a topic. */
  wordsIn(topic: string): readonly string[] {
    const { partitions = [] } = this.world.disk.topics.get(topic) ?? {}
    return partitions.flatMap(({ records }) => records.map(({ value }) => Buffer.from(value as Uint8Array).toString()))
  }
}

describe('Records whose serde fetches something first', () => {
  it('wait in order, and share one fetch', async () => {
    const arrived = Promise.withResolvers<void>()
    const serde = new FetchedLetters(() => arrived.promise)
    const program = new Program(serde)
    await program.start()
    await program.send(0, ['ant', 'ape', 'asp'])
    await program.world.clock.advance(1000)
    assert.deepEqual(program.wordsIn('out'), [])
    arrived.resolve()
    await program.world.clock.advance(1000)
    assert.deepEqual(program.wordsIn('out'), ['ant', 'ape', 'asp'])
    assert.deepEqual(serde.asked, ['a'])
  })

  it('delay only their own partition, from the first waiting record on', async () => {
    const never = new Promise<void>(() => {})
    const serde = new FetchedLetters((letter) => (letter === 'x' ? never : Promise.resolve()))
    const program = new Program(serde)
    await program.start()
    await program.send(0, ['ant', 'xen', 'ape'])
    await program.send(1, ['bee', 'bat'])
    await program.world.clock.advance(1000)
    assert.deepEqual(program.wordsIn('out').toSorted(), ['ant', 'bat', 'bee'])
  })

  it('fail like unreadable records if the fetch fails, and later records are processed', async () => {
    const asked: string[] = []
    const serde = new FetchedLetters((letter) => (letter === 'x' ? Promise.reject(new Error('there is no x')) : Promise.resolve()))
    const program = new Program(serde, {
      ...failAlways,
      deserialization: (error) => {
        asked.push(`${error.code}: ${error.message}`)
        return 'resume'
      },
      deadLetters: { topic: 'letters', headers: (error) => [textHeader('why', error.message)] },
    })
    await program.start()
    await program.send(0, ['ant', 'xen', 'ape'])
    await program.world.clock.advance(1000)
    assert.deepEqual(program.wordsIn('out'), ['ant', 'ape'])
    assert.deepEqual(program.wordsIn('letters'), ['xen'])
    assert.deepEqual(asked, [
      'WAGGLE_DESERIALIZATION_FAILED: words failed in deserialization: there is no x (task 0_0, topic in, partition 0, offset 1)',
    ])
  })

  it('wait while the server is away, the fetch is repeated less and less often, and no handler is called', async () => {
    let isAway = true
    const away = () => new Unavailable('WAGGLE_REGISTRY_UNREACHABLE', { message: 'The letters are away', next: 'Wait.' })
    const serde = new FetchedLetters(() => (isAway ? Promise.reject(away()) : Promise.resolve()))
    const program = new Program(serde, { ...failAlways, deserialization: () => assert.fail('nobody is asked') })
    await program.start()
    await program.send(0, ['ant', 'bee'])
    await program.world.clock.advance(60_000)
    assert.deepEqual(program.wordsIn('out'), [])
    // The first pause is 50 ms. Each pause is twice as long as the one before, and five seconds at most.
    assert.ok(serde.asked.length > 10 && serde.asked.length < 30, `asked ${serde.asked.length} times`)
    assert.deepEqual(new Set(program.failures.map(({ code }) => code)), new Set(['WAGGLE_REGISTRY_UNREACHABLE']))
    isAway = false
    await program.world.clock.advance(10_000)
    assert.deepEqual(program.wordsIn('out'), ['ant', 'bee'])
  })

  it('are read again once if the thread rolls back while they wait', async () => {
    const arrived = Promise.withResolvers<void>()
    let broken = true
    const serde = new FetchedLetters((letter) => (letter === 'x' ? arrived.promise : Promise.resolve()))
    const program = new Program({
      serialize: serde.serialize,
      prepare: (topic, data) => serde.prepare(topic, data),
      deserialize: (topic, data) => {
        const word = serde.deserialize(topic, data)
        if (word === 'bug' && broken) throw new Error('broken')
        return word
      },
    })
    await program.start()
    await program.send(0, ['xen'])
    await program.send(1, ['bug'])
    await program.world.clock.advance(1000)
    assert.ok(program.failures.length > 0)
    broken = false
    await program.world.clock.advance(10_000)
    assert.deepEqual(program.wordsIn('out'), ['bug'])
    arrived.resolve()
    await program.world.clock.advance(10_000)
    assert.deepEqual(program.wordsIn('out').toSorted(), ['bug', 'xen'])
  })
})
