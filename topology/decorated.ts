import type { Topology } from './graph.ts'
import { internalTopic } from './naming.ts'
import { type DefaultSerdes, resolved } from './streams/unset-serde.ts'

/** The topology as one application runs it: its internal topics have their full names, and serdes that nobody gave are the defaults. */
export function decorated(topology: Topology, applicationId: string, defaults: DefaultSerdes): Topology {
  return topology.mapped({
    topic: (name) => (topology.internalTopics.has(name) ? internalTopic(applicationId, name) : name),
    serde: (serde) => resolved(serde, defaults),
  })
}
