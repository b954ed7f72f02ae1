import type { StreamsOperator } from '../operators/streams.ts'
import type { StreamPartitioner } from '../produced.ts'
import type { AnySerde } from '../serde.ts'
import { passThrough } from './pass-through.ts'
import type { StreamsGraph } from './streams-graph.ts'
import { serdeOr } from './unset-serde.ts'

export interface RepartitionOptions {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly partitioner: StreamPartitioner<never, never> | null
  readonly partitions: number | null
}

/** A topic in between: every key's records come out in one partition. Returns the name of the source behind it. */
export function addRepartition(graph: StreamsGraph, output: string, prefix: string, options: RepartitionOptions): string {
  const topic = prefix.endsWith('-repartition') ? prefix : `${prefix}-repartition`
  const generated = countRepartition(graph)
  const isGenerated = /^KSTREAM.*-[0-9]{10}$/.test(prefix)
  const names = isGenerated ? generated : { sink: `${topic}-sink`, filter: `${topic}-filter`, source: `${topic}-source` }
  graph.add({
    output: names.source,
    inputs: [output],
    write(topology, wantsNullKeys) {
      const serdes = { key: serdeOr(options.key, 'key', topic), value: serdeOr(options.value, 'value', topic) }
      topology.addInternalTopic(topic, options.partitions)
      topology.addOperator(names.filter, wantsNullKeys ? passThrough : dropNullKeys, [output])
      topology.addSinkWith(names.sink, topic, [names.filter], { ...serdes, partitioner: options.partitioner })
      topology.addSourceWith(names.source, [topic], serdes)
    },
  })
  return names.source
}

/** Counted up whether they are used or not, as Kafka Streams does, so that later names agree. */
export function countRepartition(graph: StreamsGraph): { readonly sink: string; readonly filter: string; readonly source: string } {
  return { sink: graph.newName('KSTREAM-SINK-'), filter: graph.newName('KSTREAM-FILTER-'), source: graph.newName('KSTREAM-SOURCE-') }
}

const dropNullKeys: StreamsOperator = {
  op: 'each',
  each(record, forward) {
    if (record.key !== null) forward(record)
  },
}
