import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { smallModel } from '../../../ops/bench/small-model.ts'

const swarm = `name: small
bees:
  - { name: entrance, type: gateway-input, spec: { name: door } }
  - { name: model, type: tensor-rt, input: { name: entrance }, spec: { model: small.onnx, labels: [no, yes] } }
  - { name: save, type: save-to-database, input: { name: model }, spec: { table: rows } }
  - { name: answer, type: respond, input: { name: model } }
`

/** A process with one model and one table. Its data directory outlives the process. */
class SavingProgram {
  readonly directory = mkdtempSync(join(tmpdir(), 'waggle-rows-'))
  readonly clickhouse = join(this.directory, 'data', 'clickhouse')
  #program: MeasuredProgram | null = null

  async start(): Promise<void> {
    writeFileSync(join(this.directory, 'small.onnx'), smallModel({ features: 4, labels: 2 }))
    writeFileSync(join(this.directory, 'swarm.yaml'), swarm)
    const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
    this.#program = await MeasuredProgram.start([main, 'run', join(this.directory, 'swarm.yaml'), '--json'], {
      WAGGLE_DATA_DIR: join(this.directory, 'data'),
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_CLICKHOUSE_PORT: '0',
      WAGGLE_PARTITIONS: '1',
    })
  }

  get lastWords(): string {
    return this.#program?.lastWords ?? ''
  }

  async stop(): Promise<void> {
    await this.#program?.stop()
    this.#program = null
  }

  async send(count: number, { body = '[1,0,9,9]', status = 200 } = {}): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      const response = await fetch(`${this.#program?.ready.gateway}/v1/gateways/door/request`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      })
      assert.equal(response.status, status, await response.text())
    }
  }

  /** Waits until the table has this number of rows. */
  async hasRows(expected: number): Promise<void> {
    let text = ''
    for (let attempt = 0; attempt < 200 && text !== String(expected); attempt++) {
      if (attempt > 0) await new Promise((next) => setTimeout(next, 50))
      text = (await (await fetch(`${this.#program?.ready.clickhouse}/?query=${encodeURIComponent('SELECT count() FROM rows')}`)).text()).trim()
    }
    assert.equal(text, String(expected), this.lastWords)
  }

  /** A part of the table, and the parts from which it was merged. */
  firstPart(): readonly string[] {
    const names = readdirSync(this.clickhouse, { recursive: true }) as string[]
    const journal = names.find((name) => /^metadata\/.*\/waggle_migrations\.sql$/.test(name)) ?? assert.fail('There is no journal of migrations')
    const [, journalId = ''] = /UUID '([0-9a-f-]+)'/.exec(readFileSync(join(this.clickhouse, journal), 'utf8')) ?? []
    assert.notEqual(journalId, '')
    const folders = names.filter((name) => /^store\/.*\/all_1_\d+_\d+$/.test(name) && !name.includes(journalId))
    return folders.map((name) => join(this.clickhouse, name))
  }
}

describe('The database directory of a swarm', () => {
  let program: SavingProgram

  beforeEach(() => {
    program = new SavingProgram()
  })

  afterEach(async () => {
    await program.stop()
    rmSync(program.directory, { recursive: true })
  })

  it('gets its rows again from the log if it is an older copy or was deleted', async () => {
    const old = join(program.directory, 'old')
    await program.start()
    await program.send(10)
    await program.hasRows(10)
    await program.stop()
    cpSync(program.clickhouse, old, { recursive: true, verbatimSymlinks: true })
    await program.start()
    await program.send(10)
    await program.hasRows(20)
    await program.stop()
    rmSync(program.clickhouse, { recursive: true })
    cpSync(old, program.clickhouse, { recursive: true, verbatimSymlinks: true })
    await program.start()
    await program.hasRows(20)
    assert.match(program.lastWords, /not all rows of the last 10 records of waggle\.small\.model/)
    await program.stop()
    rmSync(program.clickhouse, { recursive: true })
    await program.start()
    await program.hasRows(20)
    assert.match(program.lastWords, /not all rows of the last 20 records of waggle\.small\.model/)
  })

  it('is not refilled at each start if only a refused request has no row', async () => {
    await program.start()
    await program.send(5)
    await program.send(1, { body: '["nonsense"]', status: 422 })
    await program.hasRows(5)
    for (let starts = 0; starts < 2; starts++) {
      await program.stop()
      await program.start()
      await program.hasRows(5)
    }
    assert.doesNotMatch(program.lastWords, /lost|again/)
  })

  it('gets its rows again once if it has lost an older part', async () => {
    await program.start()
    await program.send(5)
    await program.hasRows(5)
    await program.send(5)
    await program.hasRows(10)
    await program.stop()
    for (const folder of program.firstPart()) rmSync(folder, { recursive: true })
    await program.start()
    await program.hasRows(10)
    assert.match(program.lastWords, /the table rows has lost parts: blocks 1 to \d+/)
    assert.match(program.lastWords, /not all rows of the last 10 records/)
    assert.doesNotMatch(program.lastWords, /stay missing/)
    await program.stop()
    await program.start()
    await program.hasRows(10)
    assert.doesNotMatch(program.lastWords, /lost|again/)
  })

  it('gets its rows again once if ClickHouse has set a part aside as broken, and rows past their retention are reported', async () => {
    await program.start()
    await program.send(5)
    await program.hasRows(5)
    await program.send(5)
    await program.hasRows(10)
    await program.stop()
    const [broken = ''] = program.firstPart()
    truncateSync(join(broken, 'data.bin'), 10)
    const log = await openEmbeddedLog({ directory: join(program.directory, 'data', 'log'), clock: systemClock })
    const { offsets = [] } = (await log.topic('waggle.small.model')) ?? {}
    await log.deleteBefore([{ topic: 'waggle.small.model', partition: 0, offset: 3 }])
    const { offsets: [left] = [] } = (await log.topic('waggle.small.model')) ?? {}
    await log.close()
    assert.deepEqual(offsets, [{ start: 0, end: 10 }])
    const gone = left?.start ?? 0
    assert.ok(gone > 0 && gone <= 3)
    await program.start()
    await program.hasRows(10 - gone)
    assert.match(program.lastWords, /the table rows has lost parts: broken/)
    assert.match(program.lastWords, new RegExp(`no rows of up to ${gone} records .* stay missing`))
    await program.stop()
    await program.start()
    await program.hasRows(10 - gone)
    assert.doesNotMatch(program.lastWords, /lost|again|missing/)
  })

  it('refuses the start, with the part’s name, if bytes of a part have changed, and gets its rows again without that part', async () => {
    await program.start()
    await program.send(5)
    await program.hasRows(5)
    await program.stop()
    const [folder = ''] = program.firstPart()
    const bytes = readFileSync(join(folder, 'data.bin'))
    const middle = bytes.length >> 1
    bytes[middle] = (bytes[middle] ?? 0) ^ 0xff
    writeFileSync(join(folder, 'data.bin'), bytes)
    await assert.rejects(program.start(), (error: Error) => {
      assert.match(error.message, /WAGGLE_CLICKHOUSE/)
      assert.match(error.message, /all_1_1_\d+ of the table rows is damaged/)
      return true
    })
    rmSync(folder, { recursive: true })
    await program.start()
    await program.hasRows(5)
  })
})
