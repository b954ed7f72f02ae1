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
    // The name makes the connection keep the prepared statement, one for each text.
    const name = `waggle_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
    const config = { name, text, values: [...values], types, rows: maxRows + 1 }
    super(config)
    this.#maxRows = maxRows
    this.on('row', (row) => this.#rows.push(row))
  }

  /** True if the server had more rows. */
  get isCut(): boolean {
    return this.#rows.length > this.#maxRows
  }

  /** The client calls this when one row more than the bound is here. The rest is not read. */
  handlePortalSuspended(connection: pg.Connection): void {
    connection.sync()
  }

  /** The client calls this. With a bound on rows `pg` sends no Sync behind the query, and after an error the server waits for one. */
  handleError(error: Error, connection: pg.Connection): void {
    if (error instanceof pg.DatabaseError) connection.sync()
    this.emit('error', error)
  }

  /** Sends it. Throws what the server says. */
  run(client: pg.ClientBase): Promise<readonly { readonly [column: string]: unknown }[]> {
    return new Promise((resolve, reject) => {
      this.on('error', reject)
      this.on('end', () => resolve(this.#rows))
      client.query(this)
    })
  }
}
