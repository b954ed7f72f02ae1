import type { Topology } from './graph.ts'
import { internalTopic } from './naming.ts'
import type { AnySerde } from './serde.ts'
import { DefaultSerde } from './streams/streams-graph.ts'

export interface DefaultSerdes {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
}

/** The topology as one application runs it: its internal topics have their full names, and serdes that nobody gave are the defaults. */
export function decorated(topology: Topology, applicationId: string, defaults: DefaultSerdes): Topology {
  const nameOf = (topic: string) => (topology.internalTopics.has(topic) ? internalTopic(applicationId, topic) : topic)
  return topology.mapped({
    topic: nameOf,
    serde(serde) {
      if (!(serde instanceof DefaultSerde)) return serde
      const usual = defaults[serde.of]
      if (usual === null) throw serde.missing()
      return usual
    },
  })
}
