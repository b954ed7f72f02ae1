import pg from 'pg'
import type { ResultRow, WriteIdentity } from '../../topology/swarm/ports/postgres.ts'

/**
 * The table `waggle_writes` remembers which requests a bee has written. Its row is written in the same transaction as the bee's own write. A request
 * that arrives again, after a crash or in a replay, therefore changes nothing and gets the same rows.
 */
export async function makeWriteTable(client: pg.PoolClient): Promise<boolean> {
  const { rows } = await client.query<{ readonly is_there: boolean }>("SELECT to_regclass('waggle_writes') IS NOT NULL AS is_there")
  if (rows[0]?.is_there === true) return true
  try {
    await client.query(creation)
    return true
  } catch (thrown) {
    const code = thrown instanceof pg.DatabaseError ? thrown.code : ''
    // Another process has created the table at the same moment.
    if (code === '23505' || code === '42P07') return true
    if (code === '42501' || code === '25006') return false
    throw thrown
  }
}

/**
 * Records a write of a request. Returns null for the first write of the request, and the rows of the first write for any later write. If another
 * transaction is writing the same request now, waits for its end.
 */
export async function rememberedWrite(client: pg.PoolClient, { swarm, bee, requestId }: WriteIdentity): Promise<readonly ResultRow[] | null> {
  const values = [swarm, bee, requestId]
  const noted = await client.query('INSERT INTO waggle_writes (swarm, bee, request_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', values)
  if (noted.rowCount === 1) return null
  const text = 'SELECT result FROM waggle_writes WHERE swarm = $1 AND bee = $2 AND request_id = $3'
  const { rows } = await client.query<{ readonly result: readonly ResultRow[] | null }>(text, values)
  return rows[0]?.result ?? []
}

export async function rememberResult(client: pg.PoolClient, { swarm, bee, requestId }: WriteIdentity, rows: readonly ResultRow[]): Promise<void> {
  const text = 'UPDATE waggle_writes SET result = $4 WHERE swarm = $1 AND bee = $2 AND request_id = $3'
  await client.query(text, [swarm, bee, requestId, JSON.stringify(rows)])
}

export async function deleteOldWrites(client: pg.PoolClient): Promise<void> {
  await client.query("DELETE FROM waggle_writes WHERE written_at < now() - interval '7 days'")
}

const creation = `CREATE TABLE IF NOT EXISTS waggle_writes (
  swarm text NOT NULL,
  bee text NOT NULL,
  request_id text NOT NULL,
  result json,
  written_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (swarm, bee, request_id)
)`
