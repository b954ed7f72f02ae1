import { TimestampExtractors } from '../consumed.ts'
import type { StreamsOperator } from '../operators/streams-operators.ts'
import type { StreamPartitioner } from '../produced.ts'
import type { AnySerde } from '../serde.ts'
import { passThrough } from './pass-through.ts'
import type { LogicalNode, StreamsGraph } from './streams-graph.ts'
import { serdeOr } from './unset-serde.ts'

export interface RepartitionOptions {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly partitioner: StreamPartitioner<never, never> | null
  readonly partitions: number | null
  readonly asked?: boolean
}

/** Adds a topic that brings all records of a key into one partition. Returns the name of the source that reads it. */
export function addRepartition(graph: StreamsGraph, output: string, prefix: string, options: RepartitionOptions): string {
  const step = repartitionStep((name) => graph.newName(name), output, prefix, options)
  graph.add(step)
  return step.output
}

/** Makes the step of a repartition topic. `asked`: the user called `repartition`, so the optimiser neither moves this step nor merges it with others. */
export function repartitionStep(
  newName: (prefix: string) => string,
  output: string,
  prefix: string,
  { key, value, partitioner, partitions, asked = false }: RepartitionOptions,
): LogicalNode {
  const topic = prefix.endsWith('-repartition') ? prefix : `${prefix}-repartition`
  const generated = countRepartition({ newName })
  const isGenerated = /^([a-z0-9-]+\.)?KSTREAM.*-[0-9]{10}$/.test(prefix)
  const names = isGenerated ? generated : { sink: `${topic}-sink`, filter: `${topic}-filter`, source: `${topic}-source` }
  return {
    output: names.source,
    inputs: [output],
    ownTopic: { name: topic, partitions },
    ...(asked ? {} : { repartition: { topic, key, value } }),
    write(topology, { wantsNullKeys }) {
      const serdes = { key: serdeOr(key, 'key', topic), value: serdeOr(value, 'value', topic) }
      topology.addInternalTopic(topic, partitions)
      topology.addOperator(names.filter, wantsNullKeys ? passThrough : dropNullKeys, [output])
      topology.addSinkWith(names.sink, topic, [names.filter], { ...serdes, partitioner })
      topology.addSourceWith(names.source, [topic], { ...serdes, timestampExtractor: TimestampExtractors.failOnInvalid })
    },
  }
}

/** Uses up the numbers of generated names even if the names are not used, as Kafka Streams does, so that later names are the same. */
export function countRepartition(names: { newName(prefix: string): string }): {
  readonly sink: string
  readonly filter: string
  readonly source: string
} {
  return { sink: names.newName('KSTREAM-SINK-'), filter: names.newName('KSTREAM-FILTER-'), source: names.newName('KSTREAM-SOURCE-') }
}

const dropNullKeys: StreamsOperator = {
  op: 'each',
  each(record, forward) {
    if (record.key !== null) forward(record)
  },
}
