import type { Header } from '../../record.ts'
import type { WaggleError } from '../../waggle-error.ts'
import type { Payload } from '../payload/payload.ts'
import type { BeeResult } from '../request/answered.ts'

/** Runs bees that are separate processes and speak bees/PROTOCOL.md on their standard streams or on a socket. */
export interface Processes {
  /** Starts a process. Resolves when the process has said hello. Throws WAGGLE_BEE_NOT_STARTED if it cannot start. */
  open(options: ProcessOptions): Promise<OpenProcess>
}

export interface ProcessOptions {
  readonly swarm: string
  readonly bee: string
  /** The program and its arguments, run without a shell. */
  readonly command: readonly string[]
  /**
   * The bee’s own environment variables. These variables are added to the few that Waggle gives to every bee’s process (bees/PROTOCOL.md, "Life").
   */
  readonly env: { readonly [name: string]: string }
  /** The working folder of the process. Default: Waggle's own. */
  readonly cwd?: string
  /** The most memory of a process with its children, in bytes. A process that takes more is killed and started again. Default: no limit. */
  readonly memoryBytes?: number
  /** The number of processes that compute calls side by side. Default: 1. */
  readonly workers?: number
  /** Processes with the same group do the same work, so a process takes over waiting calls of another process in its group. Default: no group. */
  readonly group?: object
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', message: string, origin?: LineOrigin) => void
}

/** The request during whose call a process has written a line of its log. A line of no call has none. */
export interface LineOrigin {
  readonly request_id?: string
  /** The ids of the first requests of a batch, with spaces between them. */
  readonly request_ids?: string
  /** The number of all requests of the batch. */
  readonly requests?: number
  /** A stream of the process has shown the line already, so that the log need only keep it. */
  readonly is_shown?: true
}

export interface ProcessCall {
  /** The request's id. */
  readonly id: string
  readonly payload: Payload
  /** The time after which nobody needs the result, in epoch milliseconds; null if there is no deadline. */
  readonly deadline: number | null
  /** Aborts when nobody waits for the call any more. */
  readonly signal: AbortSignal
  /** The headers of the record, for a process that wants them. */
  readonly headers?: () => readonly Header[]
  /** Takes parts of the result, for a process that wants to publish parts. */
  readonly parts?: ProcessParts
}

export interface ProcessParts {
  /** The parts that are published, in order. */
  readonly published: readonly Payload[]
  /** Publishes a part. Rejects if the part cannot be taken. The call has then failed. */
  publish(part: Payload, number: number): Promise<void>
}

export interface OpenProcess {
  /** False while a call would wait until the process has started again. */
  readonly isReady: boolean
  /** True if the process publishes parts of its results. Then its calls need `parts`. */
  readonly wantsParts?: boolean
  /**
   * Returns one result or error for each call, in order. A process that dies is started again, and its open calls are sent once more. A call that
   * kills the process twice gets WAGGLE_BEE_DIED.
   */
  call(calls: readonly ProcessCall[]): Promise<readonly (BeeResult | WaggleError)[]>
  /**
   * Lets the process finish its open calls for some seconds, and then ends it. `next` is a process that takes the place of this process. With `next`
   * no call is lost: calls that this process has not received yet go to `next`, and the other calls get all the time that they need.
   */
  close(next?: OpenProcess): Promise<void>
}
