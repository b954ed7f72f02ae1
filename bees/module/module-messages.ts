import type { MessagePort } from 'node:worker_threads'
import type { ErrorCode } from '../../topology/error-codes.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { PrintedStream } from '../../topology/swarm/ports/printing.ts'
import type { BeeRequest } from '../define-bee.ts'
import type { BeeModule } from './load-bee.ts'

/** The data with which a module's thread starts. */
export interface ModuleThreadData {
  readonly module: BeeModule
  /** The bee's name, for errors. */
  readonly bee: string
  /** The thread's end of the channel for messages. Waggle does not use `parentPort`, because the module may use it. */
  readonly port: MessagePort
  /**
   * The memory of `UnreadPrints`, if the thread sends the text that the module prints. Null if the text goes to the streams of the process as it is.
   */
  readonly unreadPrints: SharedArrayBuffer | null
}

/** A request without the members that cannot be sent to a thread. */
export type SentRequest = Omit<BeeRequest, 'signal' | 'beginParts'>

/**
 * A message to the thread. `call` has one input for each request. An abort ends a call whose time is over. The thread answers a ping if its event
 * loop is not blocked. The answers to `begin` and `part` contain the parts of earlier runs, a request for more parts, or the reason why no part is
 * accepted.
 */
export type ToModule =
  | { readonly kind: 'call'; readonly call: number; readonly inputs: readonly Payload[]; readonly requests: readonly SentRequest[] }
  | { readonly kind: 'abort'; readonly call: number; readonly reason: string }
  | { readonly kind: 'ping'; readonly call: number }
  | { readonly kind: 'published'; readonly call: number; readonly request: number; readonly parts: readonly Payload[] }
  | { readonly kind: 'more'; readonly call: number; readonly request: number }
  | { readonly kind: 'no more'; readonly call: number; readonly request: number; readonly error: SentError }

/**
 * A message from the thread. The outcomes of a call are in the order of its inputs. The outcome is null for a request whose result is its parts. A
 * request's first part follows a `begin`. The call of `printed` is null for text that the module prints outside of a call.
 */
export type FromModule =
  | { readonly kind: 'ready'; readonly isBatch: boolean; readonly example: unknown }
  | { readonly kind: 'broken'; readonly error: SentError }
  | { readonly kind: 'done'; readonly call: number; readonly outcomes: readonly (Payload | SentError | null)[] }
  | { readonly kind: 'begin'; readonly call: number; readonly request: number }
  | { readonly kind: 'part'; readonly call: number; readonly request: number; readonly part: Payload; readonly number: number }
  | { readonly kind: 'failed'; readonly call: number; readonly error: SentError }
  | { readonly kind: 'pong'; readonly call: number }
  | { readonly kind: 'printed'; readonly call: number | null; readonly stream: PrintedStream; readonly text: string }

/** The parts of an error that can be sent. A message would lose the error's class. */
export interface SentError {
  readonly kind: 'thrown'
  readonly code: ErrorCode
  readonly isRefusal: boolean
  readonly message: string
  readonly next: string
  readonly stack: string
}
