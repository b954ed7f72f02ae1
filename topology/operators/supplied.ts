import type { ProcessorSupplier } from '../processor-api.ts'

/**
 * A step that Waggle implements outside of the engine, such as a step of a swarm. The step gets the context of the Processor API. Unlike a user's
 * processor, the step counts as an operator in a topology's fingerprint (`topology-fingerprint.ts`). Processes of several versions compare this
 * fingerprint.
 */
export interface Supplied {
  readonly op: 'supplied'
  readonly supplier: ProcessorSupplier<never, never, unknown, unknown>
}
