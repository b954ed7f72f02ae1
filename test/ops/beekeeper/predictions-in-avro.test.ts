import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { bytesIn, type LogRecord } from '../../../processor/ports.ts'
import { headerText } from '../../../topology/record.ts'
import { startApicurio } from '../../support/apicurio.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const server = await startApicurio()
const skip = 'missing' in server ? server.missing : false
const url = 'missing' in server ? '' : server.url
after(async () => {
  if (!('missing' in server)) await server.stop()
})

const swarm = `name: two
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: tidy, type: module, input: {name: entrance}, spec: {file: ./tidy.mjs}}
  - {name: together, type: batch, input: {name: tidy}, spec: {batch_size: 4, timeout_seconds: 0.01}}
  - {name: sure, type: module, input: {name: together}, spec: {file: ./sure.mjs}}
  - {name: unsure, type: module, input: {name: together}, spec: {file: ./unsure.mjs}}
  - {name: average, type: weighted-average-ensemble, input: {join: [sure, unsure]}, spec: {weights: {}}}
  - {name: answer, type: respond, input: {name: average}}
`
const modules = {
  'tidy.mjs': 'export default (input) => ({ text: input.text.trim() })',
  'sure.mjs': "export default ({ text }) => ({ label: 'yes', scores: { yes: 0.75, no: 0.25 }, model: 'sure', letters: text.length })",
  'unsure.mjs': `export default ({ text }) => {
    if (text === 'broken') throw new Error('cannot say')
    return { label: 'no', scores: { yes: 0.25, no: 0.75 } }
  }`,
}

describe('The predictions of a swarm with SCHEMA_REGISTRY_URL', { skip }, () => {
  mkdirSync(join(root, '.waggle'), { recursive: true })
  const directory = mkdtempSync(join(root, '.waggle', 'avro-'))
  const data = join(directory, 'data')
  after(() => rmSync(directory, { recursive: true }))
  before(() => {
    for (const [name, text] of Object.entries({ 'swarm.yaml': swarm, ...modules })) writeFileSync(join(directory, name), text)
  })

  async function ask(registry: string | null, texts: readonly string[]): Promise<readonly unknown[]> {
    const program = await MeasuredProgram.start([join(root, 'ops', 'cli', 'main.ts'), 'run', join(directory, 'swarm.yaml'), '--json'], {
      WAGGLE_DATA_DIR: data,
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_PARTITIONS: '1',
      ...(registry === null ? {} : { SCHEMA_REGISTRY_URL: registry }),
    })
    const answers: unknown[] = []
    for (const text of texts) {
      const body = JSON.stringify({ text })
      const headers = { 'content-type': 'application/json' }
      answers.push(await (await fetch(`${program.ready.gateway}/v1/gateways/door/request`, { method: 'POST', body, headers })).json())
    }
    assert.equal(await program.stop(), 0, program.lastWords)
    return answers
  }

  async function recordsOf(bee: string): Promise<readonly LogRecord[]> {
    const log = await openEmbeddedLog({ directory: join(data, 'log'), clock: systemClock })
    try {
      const end = (await log.topic(`waggle.two.${bee}`))?.offsets[0]?.end ?? 0
      const records: LogRecord[] = []
      for await (const run of log.read({ topic: `waggle.two.${bee}`, partition: 0, from: 0, to: end })) records.push(...run.records)
      return records
    } finally {
      await log.close()
    }
  }

  const bytesOf = ({ value }: LogRecord) => Buffer.from(bytesIn(value) ?? [])

  it('are Avro with the setting and JSON without it; clients can read both forms, and other payloads stay JSON', async () => {
    const [before] = await ask(null, [' a '])
    const [after, broken] = await ask(url, [' bc ', 'broken'])
    assert.deepEqual(after, before)
    assert.equal((broken as { bee: string }).bee, 'unsure')

    // Another client of the registry reads the records.
    const client = new SchemaRegistry({ host: url })
    const [json, avro] = await recordsOf('sure')
    assert.ok(json !== undefined && avro !== undefined)
    assert.deepEqual(JSON.parse(bytesOf(json).toString()), { label: 'yes', scores: { yes: 0.75, no: 0.25 }, model: 'sure', letters: 1 })
    assert.equal(headerText(avro.headers, 'content-type'), 'application/vnd.waggle.prediction+avro')
    const decoded = (await client.decode(bytesOf(avro))) as { scores: object; outputs: object }
    assert.deepEqual(
      { ...decoded, scores: { ...decoded.scores }, outputs: { ...decoded.outputs } },
      { label: 'yes', scores: { yes: 0.75, no: 0.25 }, model: 'sure', outputs: { letters: '2' } },
    )
    const [, , error] = await recordsOf('unsure')
    assert.ok(error !== undefined)
    assert.equal(JSON.parse(bytesOf(error).toString()).bee, 'unsure')
    assert.equal(headerText((await recordsOf('tidy'))[1]?.headers ?? [], 'content-type'), 'application/json')

    const subjects = (await (await fetch(`${url}/subjects`)).json()) as string[]
    assert.deepEqual(subjects.toSorted(), ['waggle.two.sure-value', 'waggle.two.unsure-value'])
  })

  it('are shown as JSON by waggle topics tail with the registry, and as a number of bytes without it', async () => {
    await ask(url, [' tail '])
    const records = await recordsOf('sure')
    const shown = (registry: string) => {
      const argv = ['topics', 'tail', 'waggle.two.sure', '--from-beginning', '--max', String(records.length), '--json']
      const env = { ...process.env, WAGGLE_DATA_DIR: data, SCHEMA_REGISTRY_URL: registry }
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'ops', 'cli', 'main.ts'), ...argv], { encoding: 'utf8', env })
      assert.equal(status, 0, stderr)
      return (JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { readonly value: string }).value
    }
    assert.deepEqual(JSON.parse(shown(url)), { label: 'yes', scores: { yes: 0.75, no: 0.25 }, model: 'sure', outputs: { letters: '4' } })
    assert.match(shown(''), /^<\d+ bytes>$/)
  })

  it('prevent the start, with the next step, if no registry answers', async () => {
    await assert.rejects(ask('http://127.0.0.1:1', []), /127\.0\.0\.1:1.*Start the registry, or correct its address/s)
  })
})
