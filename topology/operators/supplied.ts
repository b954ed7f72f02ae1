import type { ProcessorSupplier } from '../processor-api.ts'

/**
 * A step that Waggle implements outside of the engine, such as a step of a swarm. It gets the context of the Processor API. Unlike a user's
 * processor, such a step counts as an operator in the fingerprint of a topology (`topology-print.ts`), which processes of several versions compare.
 */
export interface Supplied {
  readonly op: 'supplied'
  readonly supplier: ProcessorSupplier<never, never, unknown, unknown>
}
