import type { Log } from '../../processor/ports.ts'
import { Consumed } from '../../topology/consumed.ts'
import { Topology } from '../../topology/graph.ts'
import type { JoinByKey } from '../../topology/operators/join-by-key.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import type { Processor, ProcessorContext } from '../../topology/processor-api.ts'
import { Produced } from '../../topology/produced.ts'
import type { Record } from '../../topology/record.ts'
import { Serdes } from '../../topology/serdes.ts'
import { type KeyValueStore, keyValueStore } from '../../topology/state-store.ts'
import { joinEntrySerde } from '../../topology/swarm/payload/entry-serdes.ts'
import { payloadHeaders, payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import type { TopicSpec } from '../../topology/topic.ts'

export interface Workload {
  readonly name: string
  readonly topology: Topology
  readonly topics: readonly TopicSpec[]
  readonly records: number
  readonly output: string
  readonly outputs: number
  readonly partitions: number
  fill(log: Log): Promise<void>
}

const partitions = 4
const keys = 10_000

/** Source → count by key → sink, with values of 100 bytes, 10,000 keys, and one output for each record. */
export function countTopology(records: number): Workload {
  const topology = new Topology()
  const counts = keyValueStore<string, number>({ name: 'counts', key: Serdes.string(), value: Serdes.long() })
  topology.addSource('in', 'in', Consumed.with(Serdes.string(), Serdes.bytes()))
  topology.addProcessor('count', () => new Count(), ['in'], { stores: [counts] })
  topology.addSink('out', 'out', ['count'], Produced.with(Serdes.string(), Serdes.long()))
  const value = Buffer.alloc(100, 'x')
  return {
    name: 'source → keyed count → sink',
    topology,
    topics: topics('in', 'out'),
    records,
    output: 'out',
    outputs: records,
    partitions,
    fill: (log) => send(log, records, (at) => ({ topic: 'in', key: `key-${at % keys}`, value, headers: [] })),
  }
}

/** The join of a swarm: three predictions for each key become one record. */
export function joinTopology(requests: number): Workload {
  const inputs = ['a', 'b', 'c']
  const join: JoinByKey = {
    op: 'join-by-key',
    inputs: inputs.map((name) => ({ name, topic: name })),
    store: 'join',
    dueStore: 'join-due',
    timeoutMs: 600_000,
    duplicateRetentionMs: null,
    lateRetentionMs: 0,
    deadlineOf: () => null,
    combine: (parts) => ({ kind: 'joined', parts }),
  }
  const topology = new Topology()
  topology.addSource('in', inputs, Consumed.with(Serdes.string(), payloadSerde))
  topology.addOperator('join', join, ['in'], {
    stores: [
      keyValueStore({ name: 'join', key: Serdes.string(), value: joinEntrySerde }),
      keyValueStore({ name: 'join-due', key: Serdes.string(), value: Serdes.string() }),
    ],
  })
  topology.addSink('out', 'out', ['join'], Produced.with(Serdes.string(), payloadSerde))
  const payload = { kind: 'json' as const, json: { label: 'bear', scores: { bear: 0.9, teddy: 0.1 }, model: 'model' } }
  const value = payloadSerde.serialize('', payload)
  const headers = payloadHeaders(payload)
  return {
    name: 'three-way join by key',
    topology,
    topics: topics(...inputs, 'out'),
    records: requests * inputs.length,
    output: 'out',
    outputs: requests,
    partitions,
    fill: (log) =>
      send(log, requests * inputs.length, (at) => ({
        topic: inputs[at % inputs.length] ?? '',
        key: `request-${Math.floor(at / inputs.length)}`,
        value,
        headers: [...headers],
      })),
  }
}

class Count implements Processor<string, Uint8Array, string, number> {
  #context: ProcessorContext<string, number> | null = null
  #counts: KeyValueStore<string, number> | null = null

  init(context: ProcessorContext<string, number>): void {
    this.#context = context
    this.#counts = context.getStateStore<KeyValueStore<string, number>>('counts')
  }

  process(record: Record<string, Uint8Array>): void {
    const count = (this.#counts?.get(record.key) ?? 0) + 1
    this.#counts?.put(record.key, count)
    this.#context?.forward({ ...record, value: count })
  }
}

function topics(...names: readonly string[]): readonly TopicSpec[] {
  return names.map((name) => ({ name, partitions, cleanup: 'delete', retentionMs: null }))
}

interface Filled {
  readonly topic: string
  readonly key: string
  readonly value: Uint8Array
  readonly headers: { key: string; value: Uint8Array | null }[]
}

/** Writes the records. A thousand records share each sync, as with a busy producer. */
async function send(log: Log, count: number, at: (index: number) => Filled): Promise<void> {
  const producer = await log.producer()
  for (let from = 0; from < count; from += 1000) {
    const sent = Array.from({ length: Math.min(1000, count - from) }, (_, index) => {
      const { topic, key, value, headers } = at(from + index)
      const bytes = Buffer.from(key)
      return producer.send({ topic, partition: partitionForKey(bytes, partitions), key: bytes, value, headers, timestamp: from + index })
    })
    await Promise.all(sent)
  }
  await producer.close()
}
