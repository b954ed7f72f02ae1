import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import pg from 'pg'
import { PostgresServer, skipsPostgres } from '../support/postgres-server.ts'
import { ShelfSwarm } from '../support/shelf-swarm.ts'
import { eventually } from '../support/swarm-here.ts'

const folder = resolve(import.meta.dirname, '..', '..', 'swarms', 'classify')

describe('The classify swarm', { skip: skipsPostgres() }, () => {
  it('reads the digits as its README shows, and writes a row for each digit into the README’s database', async () => {
    await using server = await PostgresServer.start()
    const [, statements = ''] = /^```sql\n([\s\S]*?)^```$/m.exec(readFileSync(join(folder, 'README.md'), 'utf8')) ?? []
    for (const statement of statements.trim().split('\n')) await server.query(statement)
    const db = server.url({ user: 'classify', password: 'honeycomb', database: 'classify' })
    const client = new pg.Client({ connectionString: db })
    await client.connect()
    try {
      await client.query(readFileSync(join(folder, 'schema.sql'), 'utf8'))
      await using swarm = await ShelfSwarm.run('classify', { WAGGLE_SECRET_CLASSIFY_DB: db })
      await swarm.answersAsReadmeShows()
      const rows = await eventually(async () => {
        const found = await client.query('SELECT digit, second, needs_a_look FROM digits ORDER BY digit')
        return found.rows.length >= 2 && found.rows
      })
      assert.deepEqual(rows, [
        { digit: 7, second: 1, needs_a_look: false },
        { digit: 9, second: 1, needs_a_look: true },
      ])
    } finally {
      await client.end()
    }
  })
})
