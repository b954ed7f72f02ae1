import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { openEmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'

const root = resolve(import.meta.dirname, '..', '..')
const main = join(root, 'ops', 'cli', 'main.ts')

function start(data: string, env: { readonly [variable: string]: string } = {}): Promise<MeasuredProgram> {
  const argv = [main, 'run', join(root, 'swarms', 'hello-world', 'swarm.yaml'), '--json']
  return MeasuredProgram.start(argv, { WAGGLE_DATA_DIR: data, WAGGLE_HTTP_PORT: '0', ...env })
}

/** Writes records before the process under test starts: records that another swarm of the directory has not read, and a caller's request. */
async function prepare(data: string, records: readonly { readonly topic: string; readonly key: string; readonly value: Buffer }[]): Promise<void> {
  const log = await openEmbeddedLog({ directory: join(data, 'log'), clock: systemClock })
  for (const name of new Set(records.map(({ topic }) => topic)))
    await log.createTopics([{ name, partitions: 4, cleanup: 'delete', retentionMs: 86_400_000 }])
  const producer = await log.producer()
  const headers = (key: string) => [
    { key: 'content-type', value: Buffer.from('application/json') },
    { key: 'waggle-request-id', value: Buffer.from(key) },
  ]
  for (const { topic, key, value } of records)
    await producer.send({ topic, partition: 0, key: Buffer.from(key), value, timestamp: Date.now() - 120_000, headers: headers(key) })
  await log.close()
}

describe('Records that no reader has read', () => {
  it('make a gateway refuse requests at the disk limit with the reader’s name, until that reader is given up', async () => {
    const data = mkdtempSync(join(tmpdir(), 'waggle-behind-'))
    const rows = Array.from({ length: 20 }, (_, at) => ({ topic: 'rows', key: String(at), value: Buffer.alloc(100_000, at) }))
    await prepare(data, rows)
    const log = await openEmbeddedLog({ directory: join(data, 'log'), clock: systemClock })
    await log.rewind('absent-sink', { topic: 'rows', partition: 0, offset: 3 })
    await log.close()
    const bound = { WAGGLE_LOG_MAX_BYTES: String(1024 * 1024) }
    const send = ({ ready }: MeasuredProgram) =>
      fetch(`${ready.gateway}/v1/gateways/hello/request`, { method: 'POST', body: '{"name":"x"}', headers: { 'content-type': 'application/json' } })
    let program = await start(data, bound)
    try {
      const response = await send(program)
      const { detail } = (await response.json()) as { readonly detail: string }
      assert.equal(response.status, 503)
      assert.match(detail, /reader absent-sink is 17 records of rows, partition 0, behind/)
      assert.ok(response.headers.get('retry-after'))
      const metrics = await (await fetch(`${program.ready.gateway}/metrics`)).text()
      assert.match(metrics, /waggle_log_reader_behind_seconds\{group="absent-sink",topic="rows",partition="0"\} [1-9]\d\d(\.\d+)?\n/)
      assert.match(metrics, /waggle_log_reader_behind_records\{group="absent-sink",topic="rows",partition="0"\} 17\n/)
      assert.match(metrics, /waggle_log_refuses 1\n/)
      assert.match(program.lastWords, /WAGGLE_LOG_MAX_BYTES.*absent-sink.*waggle reset --reader absent-sink/)
      await program.stop()
      const reset = ['reset', '--reader', 'absent-sink', '--force', '--json']
      const { stdout } = await promisify(execFile)(process.execPath, [main, ...reset], { env: { ...process.env, WAGGLE_DATA_DIR: data } })
      assert.deepEqual((JSON.parse(stdout) as { readonly groups: unknown }).groups, ['absent-sink'])
      program = await start(data, bound)
      assert.equal((await send(program)).status, 200)
    } finally {
      await program.stop()
      rmSync(data, { recursive: true })
    }
  })

  it('fail one by one if their payload is damaged: their callers get an error, and all other callers an answer', async () => {
    const data = mkdtempSync(join(tmpdir(), 'waggle-payload-'))
    const value = (name: string) => Buffer.from(JSON.stringify({ name: name.repeat(20_000) }))
    const topic = 'waggle.gateway.hello'
    await prepare(data, [
      { topic, key: 'damaged', value: value('d') },
      { topic, key: 'whole', value: value('w') },
    ])
    const [file = ''] = readdirSync(join(data, 'log', 'segments')).map((name) => join(data, 'log', 'segments', name))
    const bytes = readFileSync(file)
    bytes[1000] = 0
    writeFileSync(file, bytes)
    const program = await start(data)
    try {
      const found = async (id: string) => {
        for (let attempt = 0; attempt < 200; attempt++) {
          const entry = (await (await fetch(`${program.ready.gateway}/v1/requests/${id}`)).json()) as {
            readonly state?: string
            readonly problem?: { readonly code: string }
          }
          if (entry.state !== undefined && entry.state !== 'pending') return [entry.state, entry.problem?.code]
          await new Promise((next) => setTimeout(next, 25))
        }
        return ['nothing', undefined]
      }
      assert.deepEqual(await found('whole'), ['answered', undefined])
      assert.deepEqual(await found('damaged'), ['failed', 'WAGGLE_LOG_CORRUPT'])
    } finally {
      await program.stop()
      rmSync(data, { recursive: true })
    }
  })
})
