import type { TimestampExtractor } from './consumed.ts'
import type { Topology } from './graph.ts'
import { type DefaultSerdes, resolved } from './streams/unset-serde.ts'
import { internalTopic } from './topic-names.ts'

/** An application's defaults for settings that its topology leaves out. */
export interface Defaults extends DefaultSerdes {
  readonly timestampExtractor: TimestampExtractor | null
}

/** The topology of one application: internal topics have their full names, and defaults fill in serdes and extractors. */
export function decorated(topology: Topology, applicationId: string, defaults: Defaults): Topology {
  return topology.mapped({
    topic: (name) => (topology.internalTopics.has(name) ? internalTopic(applicationId, name) : name),
    serde: (serde) => resolved(serde, defaults),
    timestampExtractor: defaults.timestampExtractor,
  })
}
