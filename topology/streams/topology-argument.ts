import { Topology } from '../graph.ts'
import { instanceOf, type Kind } from './argument-kinds.ts'

/** A finished topology. A builder in its place is the usual mistake. */
export const aTopology: Kind = instanceOf('a Topology, which the `build` of a StreamsBuilder returns', Topology)
