import { createHash } from 'node:crypto'
import pg from 'pg'
import { columnParser } from './column-values.ts'

export interface BoundedQueryOptions {
  readonly text: string
  readonly values: readonly unknown[]
  readonly maxRows: number
}

/** A query that reads at most `maxRows` rows. */
export class BoundedQuery extends pg.Query {
  readonly #rows: { readonly [column: string]: unknown }[] = []
  readonly #maxRows: number

  constructor({ text, values, maxRows }: BoundedQueryOptions) {
    const types = { getTypeParser: columnParser }
    // The name is a hash of the text. The connection keeps the prepared statement under this name, for later queries with the same text.
    const name = `waggle_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
    const config = { name, text, values: [...values], types, rows: maxRows + 1 }
    super(config)
    this.#maxRows = maxRows
    this.on('row', (row) => this.#rows.push(row))
  }

  /** True if the query had more than `maxRows` rows. */
  get isCut(): boolean {
    return this.#rows.length > this.#maxRows
  }

  /** `pg` calls this method when one row more than the limit has arrived. Further rows are not read. */
  handlePortalSuspended(connection: pg.Connection): void {
    connection.sync()
  }

  /** `pg` calls this method after an error. For a query with a row limit, `pg` has sent no Sync, and the server waits for a Sync. */
  handleError(error: Error, connection: pg.Connection): void {
    if (error instanceof pg.DatabaseError) connection.sync()
    this.emit('error', error)
  }

  /** Sends the query. Throws the error of the server's response. */
  run(client: pg.ClientBase): Promise<readonly { readonly [column: string]: unknown }[]> {
    return new Promise((resolve, reject) => {
      this.on('error', reject)
      this.on('end', () => resolve(this.#rows))
      client.query(this)
    })
  }
}
