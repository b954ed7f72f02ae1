import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { smallModel } from '../../../ops/bench/small-model.ts'

const swarm = `name: small
bees:
  - { name: entrance, type: gateway-input, spec: { name: door } }
  - { name: model, type: tensor-rt, input: { name: entrance }, spec: { model: small.onnx, labels: [no, yes] } }
  - { name: save, type: save-to-database, input: { name: model }, spec: { table: rows } }
  - { name: answer, type: respond, input: { name: model } }
`

it('A database directory that is an older copy, or deleted, gets its rows again from the log', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-rows-'))
  writeFileSync(join(directory, 'small.onnx'), smallModel({ features: 4, labels: 2 }))
  writeFileSync(join(directory, 'swarm.yaml'), swarm)
  const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
  const start = () =>
    MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], {
      WAGGLE_DATA_DIR: join(directory, 'data'),
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_CLICKHOUSE_PORT: '0',
    })
  const rows = async ({ ready }: MeasuredProgram, expected: number) => {
    let text = ''
    for (let attempt = 0; attempt < 100; attempt++) {
      text = (await (await fetch(`${ready.clickhouse}/?query=${encodeURIComponent('SELECT count() FROM rows')}`)).text()).trim()
      if (text === String(expected)) break
      await new Promise((next) => setTimeout(next, 50))
    }
    return text
  }
  const send = async ({ ready }: MeasuredProgram, count: number) => {
    for (let sent = 0; sent < count; sent++) {
      const response = await fetch(`${ready.gateway}/v1/gateways/door/request`, {
        method: 'POST',
        body: `[${sent},0,9,9]`,
        headers: { 'content-type': 'application/json' },
      })
      assert.equal(response.status, 200, await response.text())
    }
  }
  const place = join(directory, 'data', 'clickhouse')
  const old = join(directory, 'old')
  let program = await start()
  try {
    await send(program, 10)
    assert.equal(await rows(program, 10), '10')
    await program.stop()
    cpSync(place, old, { recursive: true })
    program = await start()
    await send(program, 10)
    assert.equal(await rows(program, 20), '20')
    await program.stop()
    rmSync(place, { recursive: true })
    cpSync(old, place, { recursive: true })
    program = await start()
    assert.equal(await rows(program, 20), '20', program.lastWords)
    assert.match(program.lastWords, /no rows of the last 10 records of waggle\.small\.model/)
    await program.stop()
    rmSync(place, { recursive: true })
    program = await start()
    assert.equal(await rows(program, 20), '20', program.lastWords)
    assert.match(program.lastWords, /no rows of the last 20 records of waggle\.small\.model/)
  } finally {
    await program.stop()
    rmSync(directory, { recursive: true })
  }
})
