import type { Topology } from './graph.ts'
import type { AnySerde, Serde, SerdeUse } from './serde.ts'
import { changelogTopic } from './topic-names.ts'

/**
 * Opens the serdes of a topology for everything that the topology writes: sinks, repartition topics, and stores under the names of their changelogs.
 */
export async function openSerdes(topology: Topology, applicationId: string): Promise<void> {
  for (const [serde, use] of usesOf(topology, applicationId)) await (serde as Partial<Serde<unknown>>).open?.(use)
}

function usesOf(topology: Topology, applicationId: string): readonly (readonly [AnySerde, SerdeUse])[] {
  const pair = (topic: string | null, key: AnySerde, value: AnySerde) =>
    [
      [key, { topic, part: 'key' }],
      [value, { topic, part: 'value' }],
    ] as const
  const sinks = [...topology.nodes.values()].flatMap((node) =>
    node.kind === 'sink' ? pair(typeof node.topic === 'string' ? node.topic : null, node.key, node.value) : [],
  )
  const stores = [...topology.stores.values()].flatMap((store) =>
    store.kind === 'custom' ? [] : pair(changelogTopic(applicationId, store.name), store.key, store.value),
  )
  // Data that operators write inside other values, such as hashes and keys of a buffer, has no topic of its own. Most serdes of such data are opened
  // above.
  const operators = [...topology.nodes.values()].flatMap((node) =>
    node.kind === 'operator' && 'serdes' in node.operator
      ? Object.entries(node.operator.serdes).map(([of, serde]) => [serde, { topic: null, part: of === 'value' ? 'value' : 'key' }] as const)
      : [],
  )
  return [...sinks, ...stores, ...operators]
}
