/** Options of the embedded ClickHouse's process, passed as its first argument. */
export interface ServerOptions {
  readonly directory: string
  readonly host: string
  readonly port: number
  /** Host names by which callers may reach the port, besides the loopback names and `host`. */
  readonly names: readonly string[]
  /** The Unix socket for Waggle's writes, in a folder that only this user may enter. No rows come in by another way. */
  readonly writerSocket: string
  /** The longest time of a query on the public port. */
  readonly maxReaderSeconds: number
}

/** Messages of that process to the process that started it. */
export type ServerMessage =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
