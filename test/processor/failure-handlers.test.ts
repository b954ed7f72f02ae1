import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Application } from '../../processor/application/application.ts'
import { type FailurePolicy, failAlways } from '../../processor/task/failures.ts'
import { Consumed } from '../../topology/consumed.ts'
import type { FailedRecord } from '../../topology/failed-record.ts'
import { Topology } from '../../topology/graph.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import { Produced } from '../../topology/produced.ts'
import { textHeader } from '../../topology/record.ts'
import type { HandingSerde, Serde } from '../../topology/serde.ts'
import { Serdes } from '../../topology/serdes.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'

const numbers = { serialize: (_: string, value: number) => Buffer.from(String(value)), deserialize: readNumber }

function readNumber(_: string, bytes: Uint8Array): number {
  const number = Number(Buffer.from(bytes).toString())
  if (Number.isNaN(number)) throw new Error('not a number')
  return number
}

/** A serde that can only write numbers below 100. */
const small = {
  ...numbers,
  serialize(topic: string, value: number) {
    if (value >= 100) throw new Error('too large')
    return numbers.serialize(topic, value)
  },
}

/**
 * Runs `inputs` through a program. The program multiplies the values of `in` by ten, throws for 7, and writes to `out`. Returns the records of `out`
 * and `letters`, and the calls of the handlers.
 */
async function run(inputs: readonly string[], failures: FailurePolicy, results: Serde<number> = small) {
  const world = new SimulatedWorld()
  const log = world.boot()
  const topology = new Topology()
    .addSource('numbers', 'in', Consumed.with(Serdes.string(), numbers))
    .addProcessor('times-ten', () => timesTen, ['numbers'])
    .addSink('results', 'out', ['times-ten'], Produced.with(Serdes.string(), results))
  const rolledBack: WaggleError[] = []
  const application = new Application({
    applicationId: 'test',
    topology,
    log,
    clock: world.clock,
    topics: ['in', 'out', 'letters'].map((name) => ({ name, partitions: 1, retentionMs: null, cleanup: 'delete' as const })),
    failures,
    onFailure: (error) => rolledBack.push(error),
  })
  await log.createTopics([])
  let started = false
  void application.start().then(() => {
    started = true
  })
  await world.clock.until(() => started)
  const producer = await log.producer()
  for (const [at, text] of inputs.entries())
    void producer.send({ topic: 'in', partition: 0, key: Buffer.from(`k${at}`), value: Buffer.from(text), timestamp: at, headers: [] })
  await world.clock.advance(2000)
  const valuesOf = (topic: string) =>
    (world.disk.topics.get(topic)?.partitions ?? []).flatMap(({ records }) => records.map(({ value }) => Buffer.from(value as Uint8Array).toString()))
  return { out: valuesOf('out'), letters: valuesOf('letters'), rolledBack }
}

const timesTen = (() => {
  let context: ProcessorContext<unknown, unknown> | null = null
  return {
    init(given: ProcessorContext<unknown, unknown>) {
      context = given
    },
    process(record: { key: unknown; value: unknown; timestamp: number }) {
      if (record.value === 7) throw new Error('not seven')
      context?.forward({ ...record, value: (record.value as number) * 10 })
    },
  }
})()

describe('A record that cannot be processed', () => {
  it('rolls its task back if no handler skips it', async () => {
    const { out, rolledBack } = await run(['1', '7', '2'], failAlways)
    assert.deepEqual(out, [])
    assert.ok(rolledBack.length > 1)
    assert.equal(rolledBack[0]?.code, 'WAGGLE_PROCESSING_FAILED')
    assert.match(rolledBack[0]?.message ?? '', /times-ten failed in processing: not seven \(task 0_0, topic in, partition 0, offset 1\)$/)
  })

  it('is named by its place in the error’s message, at whichever step it fails', async () => {
    const said: string[] = []
    const ask = (error: WaggleError) => {
      said.push(error.message)
      return 'resume' as const
    }
    await run(['1', 'x', '7', '10', '2'], { deserialization: ask, processing: ask, production: ask, deadLetters: null })
    assert.equal(said.length, 3)
    for (const message of said) assert.match(message, /[^)] \(task 0_0, topic in, partition 0, offset [123]\)$/)
  })

  it('is dropped if its handler resumes, whether reading, processing or writing failed, and the records beside it are processed', async () => {
    const asked: { readonly step: string; readonly code: string; readonly record: FailedRecord }[] = []
    const ask = (step: string) => (error: WaggleError, record: FailedRecord) => {
      asked.push({ step, code: error.code, record })
      return 'resume' as const
    }
    const { out, letters, rolledBack } = await run(['1', 'x', '7', '10', '2'], {
      deserialization: ask('deserialization'),
      processing: ask('processing'),
      production: ask('production'),
      deadLetters: { topic: 'letters', headers: (error) => [textHeader('why', error.code)] },
    })
    assert.deepEqual(out, ['10', '20'])
    assert.deepEqual(letters, ['x', '7', '10'])
    assert.deepEqual(rolledBack, [])
    assert.deepEqual(
      asked.map(({ step, code, record }) => [step, code, record.node, record.topic, record.offset, record.taskId]),
      [
        ['deserialization', 'WAGGLE_DESERIALIZATION_FAILED', 'numbers', 'in', 1n, '0_0'],
        ['processing', 'WAGGLE_PROCESSING_FAILED', 'times-ten', 'in', 2n, '0_0'],
        ['production', 'WAGGLE_PRODUCTION_FAILED', 'results', 'in', 3n, '0_0'],
      ],
    )
    assert.deepEqual(Buffer.from(asked[0]?.record.value as Uint8Array).toString(), 'x')
    assert.equal(asked[1]?.record.value, 7)
  })

  it('fails in the sink that sends it, even if the log hands values on before their commit', async () => {
    const handing: HandingSerde<number> = { ...small, handsOn: true }
    const asked: FailedRecord[] = []
    const policy: FailurePolicy = {
      ...failAlways,
      production: (_, record) => {
        asked.push(record)
        return 'resume'
      },
    }
    const { out, rolledBack } = await run(['1', '10', '2'], policy, handing)
    assert.deepEqual(out, ['10', '20'])
    assert.deepEqual(rolledBack, [])
    assert.deepEqual(
      asked.map(({ node, topic, offset }) => [node, topic, offset]),
      [['results', 'in', 1n]],
    )
  })
})
