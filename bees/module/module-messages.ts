import type { MessagePort } from 'node:worker_threads'
import type { ErrorCode } from '../../topology/error-codes.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { BeeRequest } from '../define-bee.ts'
import type { BeeModule } from './load-bee.ts'

/** The data with which a module's thread starts. */
export interface ModuleThreadData {
  readonly module: BeeModule
  /** The bee's name, for errors. */
  readonly bee: string
  /** The thread's end of the channel for messages. Waggle does not use `parentPort`, because the module may use it. */
  readonly port: MessagePort
}

/** A request without its signal, because a signal cannot be sent to a thread. */
export type SentRequest = Omit<BeeRequest, 'signal'>

/**
 * A message to the thread: a call with one input for each request, an abort of a call whose time is over, or a ping, which the thread answers if its
 * event loop is not blocked.
 */
export type ToModule =
  | { readonly kind: 'call'; readonly call: number; readonly inputs: readonly Payload[]; readonly requests: readonly SentRequest[] }
  | { readonly kind: 'abort'; readonly call: number; readonly reason: string }
  | { readonly kind: 'ping'; readonly call: number }

/** A message from the thread. The outcomes of a call are in the order of its inputs. */
export type FromModule =
  | { readonly kind: 'ready'; readonly isBatch: boolean; readonly example: unknown }
  | { readonly kind: 'broken'; readonly error: SentError }
  | { readonly kind: 'done'; readonly call: number; readonly outcomes: readonly (Payload | SentError)[] }
  | { readonly kind: 'failed'; readonly call: number; readonly error: SentError }
  | { readonly kind: 'pong'; readonly call: number }

/** The parts of an error that can be sent. A message would lose the error's class. */
export interface SentError {
  readonly kind: 'thrown'
  readonly code: ErrorCode
  readonly isRefusal: boolean
  readonly message: string
  readonly next: string
  readonly stack: string
}
