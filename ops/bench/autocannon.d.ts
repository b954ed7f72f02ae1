/** The part of autocannon that the benchmarks use; the package brings no types. */
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events'

  export interface AutocannonOptions {
    readonly url: string
    readonly connections: number
    /** Seconds. */
    readonly duration: number
    /** Requests a second of all connections together; without it each sends as soon as it is answered. */
    readonly overallRate?: number
    readonly requests: readonly {
      readonly method: 'POST'
      readonly path: string
      readonly headers: { readonly [name: string]: string }
      readonly body: Buffer
    }[]
  }

  export interface AutocannonResult {
    readonly '2xx': number
    readonly non2xx: number
    readonly errors: number
    readonly timeouts: number
    /** Seconds. */
    readonly duration: number
  }

  export interface AutocannonInstance extends EventEmitter, PromiseLike<AutocannonResult> {}

  export default function autocannon(options: AutocannonOptions): AutocannonInstance
}
