import type { AsyncWorker, BatchPolicy } from '../async-step.ts'
import type { Header, RecordMetadata } from '../record.ts'
import type { SwarmBee } from './checked-swarm.ts'
import type { Payload } from './payload.ts'

/** What stands behind the bees of a swarm: the graph says where they are, the host makes them work. */
export interface BeeHost {
  /** A bee that takes time (role `call` or `sink`): opened once a process. A row is a payload. */
  open(bee: SwarmBee): Promise<AsyncWorker<string, Payload, Payload, Payload>>
  /** A bee of role `value`: computes at once, or throws. */
  valueOf(
    bee: SwarmBee,
  ): (input: Payload, request: { readonly id: string; readonly headers: readonly Header[]; readonly place: RecordMetadata | null }) => Payload
  /** Of a bee of role `batch`, or of one that batches by itself (a sink); null where it does not. */
  batchOf(bee: SwarmBee): BatchPolicy | null
}
