import { Topology } from '../graph.ts'
import { instanceOf, type Kind } from './argument-kinds.ts'

/** A finished topology. The usual mistake is a builder in its place. */
export const aTopology: Kind = instanceOf('a Topology, which the `build` of a StreamsBuilder returns', Topology)
