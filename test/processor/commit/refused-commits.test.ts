import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Application } from '../../../processor/application/application.ts'
import { bytesIn, type Log, type LogTraits, type ProducerRecord, type TaskProducer } from '../../../processor/ports.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { type FailurePolicy, failAlways } from '../../../processor/task/failures.ts'
import type { DecideFailure } from '../../../processor/thread/failure-decision.ts'
import type { AsyncStep } from '../../../topology/async-step.ts'
import type { FailedRecord } from '../../../topology/failed-record.ts'
import { Topology } from '../../../topology/graph.ts'
import type { Processor, ProcessorContext } from '../../../topology/processor-api.ts'
import { Produced } from '../../../topology/produced.ts'
import { headerText, type Record, textHeader } from '../../../topology/record.ts'
import type { Serde } from '../../../topology/serde.ts'
import { type KeyValueStore, keyValueStore } from '../../../topology/state-store.ts'
import { RecordRefused, WaggleError } from '../../../topology/waggle-error.ts'
import { changed } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, text, written } from '../../support/text-program.ts'

const embedded: LogTraits = { atomicCommit: true, repeatsRecords: false, handsOn: true }
const exactlyOnce: LogTraits = { atomicCommit: true, repeatsRecords: true, handsOn: false }
const atLeastOnce: LogTraits = { atomicCommit: false, repeatsRecords: true, handsOn: false }

const count = 400
const partitions = 4
const numbers = Array.from({ length: count }, (_, number) => String(number))

describe('A commit that is refused for one record', () => {
  for (const [name, traits] of Object.entries({ embedded, exactlyOnce, atLeastOnce })) {
    for (const [kind, topology] of Object.entries({ 'a plain step': plain, 'an asynchronous step': slow })) {
      it(`loses only that record, if the record comes from ${kind}, ${name}`, async () => {
        const scene = await Scene.open({ traits, topology: topology(), refuses: ({ topic, value }) => topic === 'out' && value === '123' })
        await scene.send(numbers)
        assert.deepEqual(scene.distinct('out'), new Set(numbers.filter((number) => number !== '123')))
        assert.deepEqual(scene.values('letters'), ['123'])
        assert.deepEqual(
          scene.asked.map(({ topic, value }) => [topic, value]),
          [['in', '123']],
        )
        assert.ok(scene.refusals <= 12, `${scene.refusals} commits were refused`)
        assert.deepEqual(scene.failures, [])
        if (traits.atomicCommit) assert.equal(scene.values('out').length, count - 1)
      })
    }
  }

  it('loses only the bad records if there are several', async () => {
    const poison = new Set(['3', '50', '51', '399'])
    const scene = await Scene.open({ traits: exactlyOnce, topology: plain(), refuses: ({ topic, value }) => topic === 'out' && poison.has(value) })
    await scene.send(numbers)
    assert.deepEqual(scene.values('out').sort(), numbers.filter((number) => !poison.has(number)).sort())
    assert.deepEqual(new Set(scene.values('letters')), poison)
    assert.equal(scene.values('letters').length, poison.size)
  })

  it('is traced to a record whose value a store’s serde cannot write', async () => {
    for (const traits of [embedded, exactlyOnce]) {
      const scene = await Scene.open({ traits, topology: stored(), refuses: () => false })
      await scene.send(numbers)
      assert.deepEqual(scene.values('letters'), ['200'])
      assert.deepEqual(scene.distinct('out'), new Set(numbers.filter((number) => number !== '200')))
      // The store serialises the first value of a type at once, so the handler gets the node that puts the value.
      assert.match(scene.asked[0]?.node ?? '', /^(source|keeper)$/)
    }
  })

  it('gives a dead letter without a value if the log refuses the value too, and no dead letter if the log refuses every dead letter', async () => {
    for (const [takes, letters] of [
      ['bare', ['null']],
      ['none', []],
    ] as const) {
      const scene = await Scene.open({
        traits: exactlyOnce,
        topology: plain(),
        refuses: ({ topic, value }) => (topic === 'out' && value === '7') || (topic === 'letters' && (takes === 'none' || value !== 'null')),
      })
      await scene.send(numbers.slice(0, 20))
      assert.deepEqual(scene.values('letters'), letters)
      assert.equal(scene.values('out').length, 19)
    }
  })

  it('is repeated with a replacement instead of the record if the handler gives one', async () => {
    const scene = await Scene.open({
      traits: exactlyOnce,
      topology: plain(),
      refuses: ({ topic, value }) => topic === 'out' && value === '7',
      policy: { replacement: (error, failed) => ({ ...failed, value: `${failed.value} ${error.code}` }) },
    })
    await scene.send(numbers.slice(0, 20))
    assert.ok(scene.values('out').includes('7 WAGGLE_RECORD_TOO_LARGE'))
    assert.equal(scene.values('out').length, 20)
  })

  it('stops the program if the handler says so, and the record is tried again after a restart', async () => {
    const decided: string[] = []
    const scene = await Scene.open({
      traits: exactlyOnce,
      topology: plain(),
      refuses: ({ topic, value }) => topic === 'out' && value === '7',
      policy: {
        production(_, { value, topic, offset }) {
          decided.push(`${topic} ${offset} ${value}`)
          return 'fail'
        },
      },
      decide(error) {
        decided.push(error.code)
        return decided.length > 4 ? 'stop' : 'goOn'
      },
    })
    await scene.send(['7'])
    assert.deepEqual(decided.slice(0, 4), ['in 0 7', 'WAGGLE_RECORD_TOO_LARGE', 'in 0 7', 'WAGGLE_RECORD_TOO_LARGE'])
    assert.equal(scene.application.state, 'ERROR')
  })
})

describe('An application whose commits all fail', () => {
  it('reports for how long its commits have failed, until a commit succeeds', async () => {
    let isAway = true
    const scene = await Scene.open({
      traits: exactlyOnce,
      topology: plain(),
      refuses: () => {
        if (isAway) throw new WaggleError('WAGGLE_LOG_UNREACHABLE', { message: 'away', next: 'wait' })
        return false
      },
    })
    assert.equal(scene.application.threads.uncommittedMs, 0)
    await scene.send(['1'], 15_000)
    assert.ok(scene.application.threads.uncommittedMs > 10_000)
    isAway = false
    for (let left = 15_000; left > 0; left -= 10) await scene.world.clock.advance(10)
    assert.deepEqual(scene.values('out'), ['1'])
    assert.equal(scene.application.threads.uncommittedMs, 0)
  })

  it('reports nothing if no work waits for a commit', async () => {
    const scene = await Scene.open({ traits: embedded, topology: plain(), refuses: () => false })
    await scene.send(['1'])
    await scene.world.clock.advance(60_000)
    assert.equal(scene.application.threads.uncommittedMs, 0)
  })
})

function plain(): Topology {
  return new Topology().addSource('source', 'in', read).addSink('sink', 'out', ['source'], written)
}

function slow(): Topology {
  const step: AsyncStep<string, string, string, string> = {
    open: async () => ({ call: async (values) => values, close: async () => {} }),
    batch: null,
    concurrency: 8,
    counts: 'thread',
    maxInFlight: 64,
    timeoutMs: 1000,
    ordered: 'partition',
    retries: 0,
    nameOf: null,
    admit: () => 'call',
    forward: (_, record, context) => context.forward(record),
  }
  return new Topology().addSource('source', 'in', read).addAsync('slow', step, ['source']).addSink('sink', 'out', ['slow'], written)
}

/** A program that stores each value in a store that cannot write 200, and forwards it. */
function stored(): Topology {
  const picky: Serde<string> = {
    serialize(topic, value) {
      if (value === '200') throw new Error('not two hundred')
      return text.serialize(topic, value)
    },
    deserialize: (topic, bytes) => text.deserialize(topic, bytes),
  }
  const keeper = (): Processor<string, string, string, string> => {
    let bound: { context: ProcessorContext<string, string>; store: KeyValueStore<string, string> } | null = null
    return {
      init(context) {
        bound = { context, store: context.getStateStore('kept') }
      },
      process(record: Record<string, string>) {
        bound?.store.put(record.value, record.value)
        bound?.context.forward(record)
      },
    }
  }
  return new Topology()
    .addSource('source', 'in', read)
    .addProcessor('keeper', keeper, ['source'])
    .addStateStore(keyValueStore({ name: 'kept', key: text, value: picky }), ['keeper'])
    .addSink('sink', 'out', ['keeper'], Produced.with(text, text))
}

interface SceneOptions {
  readonly traits: LogTraits
  readonly topology: Topology
  /** True if the log refuses a commit for this record. */
  readonly refuses: (record: { readonly topic: string; readonly value: string }) => boolean
  readonly policy?: Partial<FailurePolicy>
  readonly decide?: DecideFailure
}

/** An application on a log that refuses commits for some records. */
class Scene {
  readonly world: SimulatedWorld
  readonly asked: FailedRecord[] = []
  readonly failures: string[] = []
  refusals = 0
  readonly #options: SceneOptions
  readonly #log: Log
  readonly application: Application

  private constructor(options: SceneOptions) {
    this.#options = options
    this.world = new SimulatedWorld({ traits: options.traits, keepsState: options.traits === embedded })
    this.#log = this.world.boot()
    const resume = (_: WaggleError, record: FailedRecord) => {
      this.asked.push(record)
      return 'resume' as const
    }
    this.application = new Application({
      applicationId: 'app',
      clock: this.world.clock,
      topics: ['in', 'out', 'letters'].map((name) => ({ name, partitions, retentionMs: null, cleanup: 'delete' as const })),
      topology: options.topology,
      log: this.#refusing(this.#log),
      ...(options.traits === embedded ? {} : { states: new SimulatedStateDirectory(new SimulatedStateFiles('p')) }),
      failures: {
        ...failAlways,
        processing: resume,
        production: resume,
        deadLetters: { topic: 'letters', headers: (error) => [textHeader('why', error.code)] },
        ...options.policy,
      },
      onFailure: ({ code }) => this.failures.push(code),
      ...(options.decide === undefined ? {} : { decide: options.decide }),
    })
  }

  static async open(options: SceneOptions): Promise<Scene> {
    const scene = new Scene(options)
    let started = false
    void scene.application.start().then(() => {
      started = true
    })
    await scene.world.clock.until(() => started)
    return scene
  }

  async send(values: readonly string[], forMs = 10_000): Promise<void> {
    const producer = await this.#log.producer()
    for (const [at, value] of values.entries())
      void producer.send({ topic: 'in', partition: at % partitions, key: Buffer.from(value), value: Buffer.from(value), timestamp: at, headers: [] })
    for (let left = forMs; left > 0; left -= 10) await this.world.clock.advance(10)
  }

  values(topic: string): string[] {
    return (this.world.disk.topics.get(topic)?.partitions ?? []).flatMap(({ records }) =>
      records.map((record) => {
        if (topic === 'letters') assert.ok(headerText(record.headers, 'why'))
        return shown(record.value)
      }),
    )
  }

  distinct(topic: string): ReadonlySet<string> {
    return new Set(this.values(topic))
  }

  #refusing(log: Log): Log {
    return changed(log, {
      taskProducer: async (options) => {
        const producer = await log.taskProducer(options)
        let open: ProducerRecord[] = []
        return changed<TaskProducer>(producer, {
          append: (record) => {
            open.push(record)
            producer.append(record)
          },
          commit: async (point) => {
            const records = open
            open = []
            if (records.some(({ topic, value }) => this.#options.refuses({ topic, value: shown(value) }))) {
              this.refusals++
              throw new RecordRefused('WAGGLE_RECORD_TOO_LARGE', { message: 'The log takes no such record', next: 'Send less.' })
            }
            return producer.commit(point)
          },
          abort: () => {
            open = []
            return producer.abort()
          },
        })
      },
    })
  }
}

function shown(value: ProducerRecord['value']): string {
  return value === null ? 'null' : Buffer.from(bytesIn(value)).toString()
}
