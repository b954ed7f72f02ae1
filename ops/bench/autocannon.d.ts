/** Types for the part of autocannon that the benchmarks use. The package itself contains no types. */
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events'

  export interface AutocannonOptions {
    readonly url: string
    readonly connections: number
    /** The duration in seconds. Ignored if there is an amount. */
    readonly duration?: number
    /** The number of requests after which the load ends. */
    readonly amount?: number
    /** The longest wait of a request for its response, in seconds. Default: 10. */
    readonly timeout?: number
    /** Requests a second over all connections. If undefined, a connection sends its next request as soon as it has a response. */
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
    /** The duration in seconds. */
    readonly duration: number
  }

  export interface AutocannonInstance extends EventEmitter, PromiseLike<AutocannonResult> {}

  export default function autocannon(options: AutocannonOptions): AutocannonInstance
}
