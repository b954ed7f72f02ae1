import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { PostgresServer, skipsPostgres } from '../../support/postgres-server.ts'
import { eventually } from '../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describe('A swarm that writes to PostgreSQL', { skip: skipsPostgres(), timeout: 120_000 }, () => {
  it('has one row for each accepted request after it was killed in the middle of its writes', async () => {
    await using server = await PostgresServer.start()
    await server.query('CREATE TABLE written (request_id text, n int)')
    const directory = mkdtempSync(join(tmpdir(), 'waggle-postgres-crash-'))
    await using _ = { [Symbol.asyncDispose]: async () => rmSync(directory, { recursive: true, force: true }) }
    const file = join(directory, 'swarm.yaml')
    writeFileSync(
      file,
      `name: writing
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - name: write
    type: postgres
    input: {name: entrance}
    spec: {db: "${server.url({ password: '{{ secrets.DB }}' })}", query: "INSERT INTO written SELECT :request_id, :n::int FROM pg_sleep(0.05)"}
`,
    )
    const env = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_SECRET_DB: server.password }
    const rows = async () => Number((await server.query('SELECT count(*)::int AS rows FROM written'))[0]?.rows)
    const accepted = 40
    const killed = await MeasuredProgram.start([main, 'run', file, '--json'], env)
    for (let n = 0; n < accepted; n++) {
      const init = { method: 'POST', body: JSON.stringify({ n }), headers: { 'content-type': 'application/json' } }
      assert.equal((await fetch(`${killed.ready.gateway}/v1/gateways/door/submit`, init)).status, 202)
    }
    await eventually(async () => (await rows()) > 0)
    await killed.kill('alone')
    const last = await MeasuredProgram.start([main, 'run', file, '--json'], env)
    await eventually(async () => (await rows()) >= accepted)
    assert.equal(await last.stop(), 0)
    const [counted] = await server.query('SELECT count(*)::int AS rows, count(DISTINCT request_id)::int AS requests FROM written')
    assert.deepEqual(counted, { rows: accepted, requests: accepted })
  })
})
