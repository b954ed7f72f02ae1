import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { smallModel } from '../../../ops/bench/small-model.ts'
import { type RunningClickHouse, startClickHouseServer } from '../../support/clickhouse-server.ts'
import { programOfDebian } from '../../support/debian-program.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

/**
 * Debian's package is the only ClickHouse server in a package registry. The server is from 2018, and too old for Waggle's tables. Other tests show
 * that predictions reach an external server. `chosenClickHouse` starts it.
 */
const server = programOfDebian('clickhouse-server')
if ('missing' in server && process.env.CI === 'true') throw new Error(`The tests need another ClickHouse: ${server.missing}`)

describe('A ClickHouse server that is not Waggle’s own', { skip: 'missing' in server ? server.missing : false }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-old-clickhouse-'))
  let old: RunningClickHouse | null = null

  before(async () => {
    if ('missing' in server) return
    old = await startClickHouseServer({ ...server, argv: [] }, directory)
  })
  after(async () => {
    await old?.close()
    rmSync(directory, { recursive: true, force: true })
  })

  it('is refused at the start of a swarm if it is too old for the table, and the error names its version and the next step', async () => {
    const bees = `  - {name: model, type: tensor-rt, input: {name: entrance}, spec: {model: ./small.onnx, labels: [no, yes]}}
  - {name: save, type: save-to-database, input: {name: model}, spec: {table: rows}}`
    const files = { 'small.onnx': smallModel({ features: 4, labels: 2 }) }
    await assert.rejects(SwarmHere.open({ CLICKHOUSE_URL: old?.url ?? '' }, { bees, files }), {
      code: 'WAGGLE_CLICKHOUSE',
      message: /ClickHouse server is 18\.\d+\.\d+/,
      next: /22\.3 or later/,
    })
  })
})
