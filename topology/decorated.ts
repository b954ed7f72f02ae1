import type { TimestampExtractor } from './consumed.ts'
import type { Topology } from './graph.ts'
import { internalTopic } from './naming.ts'
import { type DefaultSerdes, resolved } from './streams/unset-serde.ts'

/** What an application takes where its topology says nothing. */
export interface Defaults extends DefaultSerdes {
  readonly timestampExtractor: TimestampExtractor | null
}

/** The topology as one application runs it: its internal topics have their full names, and what nobody gave is the default. */
export function decorated(topology: Topology, applicationId: string, defaults: Defaults): Topology {
  return topology.mapped({
    topic: (name) => (topology.internalTopics.has(name) ? internalTopic(applicationId, name) : name),
    serde: (serde) => resolved(serde, defaults),
    timestampExtractor: defaults.timestampExtractor,
  })
}
