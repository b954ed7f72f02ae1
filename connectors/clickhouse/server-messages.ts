/** What the embedded ClickHouse's process is started with, as its first argument. */
export interface ServerOptions {
  readonly directory: string
  readonly host: string
  readonly port: number
  /** Further names that callers may reach the port by. */
  readonly names: readonly string[]
  /** A Unix socket in a folder that only this user may enter: the one way by which rows come in. */
  readonly writerSocket: string
  /** A query of the public port may run so long. */
  readonly maxReaderSeconds: number
}

/** What it says to the process that started it. */
export type ServerMessage =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
