/** Options of the embedded ClickHouse's process, passed as its first argument. */
export interface ServerOptions {
  readonly directory: string
  readonly host: string
  readonly port: number
  /** Additional names under which callers may reach the port. The loopback names and `host` are always allowed. */
  readonly names: readonly string[]
  /** The Unix socket for Waggle's writes, in a folder that only this user may enter. Rows can be written only through this socket. */
  readonly writerSocket: string
  /** The time limit of a query on the public port. */
  readonly maxReaderSeconds: number
}

/** Messages from ClickHouse's process to the process that started it. */
export type ServerMessage =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
