import type { WaggleError } from '../../waggle-error.ts'
import type { Payload } from '../payload.ts'

/** Runs bees that are processes of their own and speak bees/PROTOCOL.md on their standard streams. */
export interface Processes {
  /** Resolves when the process has said hello; WAGGLE_BEE_NOT_STARTED where it cannot start. */
  open(options: ProcessOptions): Promise<OpenProcess>
}

export interface ProcessOptions {
  readonly swarm: string
  readonly bee: string
  /** The program and its arguments, run without a shell. */
  readonly command: readonly string[]
  /** Beside what every process gets of ours. */
  readonly env: { readonly [name: string]: string }
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
}

export interface ProcessCall {
  /** The request's id. */
  readonly id: string
  readonly payload: Payload
  /** Epoch milliseconds. */
  readonly deadline: number | null
  readonly signal: AbortSignal
}

export interface OpenProcess {
  /** One payload or error a call, in order. Where the process dies it is started again and its open calls are sent once more: WAGGLE_BEE_DIED for what kills it twice. */
  call(calls: readonly ProcessCall[]): Promise<readonly (Payload | WaggleError)[]>
  /** Lets it finish what it has, then ends it. */
  close(): Promise<void>
}
