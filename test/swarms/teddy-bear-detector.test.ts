import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import { createClient } from '@clickhouse/client'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { svgOfUses } from '../connectors/pictures/hostile-pictures.ts'

const root = resolve(import.meta.dirname, '..', '..')
const directory = join(root, 'swarms', 'teddy-bear-detector')
const gatewayName = 'teddybear-detector-gateway'

interface Scores {
  readonly bear: number
  readonly teddy: number
}
interface Answer {
  readonly label: string
  readonly scores: Scores
  readonly models: { readonly [bee: string]: { readonly scores: Scores; readonly weight: number } }
}
/** The expected scores of each model for each photo, computed by other programs: [bear, teddy]. */
interface Manifest {
  readonly images: readonly { readonly file: string; readonly expected: { readonly [model in 'a' | 'b' | 'c']: readonly [number, number] } }[]
}

const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as Manifest
const letters: { readonly [bee: string]: 'a' | 'b' | 'c' } = { 'inference-tensorflow': 'a', 'inference-pytorch': 'b', 'inference-svm': 'c' }

const types: { readonly [extension: string]: string } = { '.jpg': 'image/jpeg', '.png': 'image/png' }

for (const file of ['swarm.yaml', 'swarm-container.yaml']) {
  describe(`The teddy-bear detector of ${file}`, () => {
    const data = mkdtempSync(join(tmpdir(), 'waggle-teddy-'))
    let program: MeasuredProgram

    before(async () => {
      program = await MeasuredProgram.start([join(root, 'ops', 'cli', 'main.ts'), 'run', join(directory, file), '--json'], {
        WAGGLE_DATA_DIR: data,
        WAGGLE_HTTP_PORT: '0',
        WAGGLE_CLICKHOUSE_PORT: '0',
      })
    })

    after(async () => {
      assert.equal(await program.stop(), 0, program.lastWords)
      rmSync(data, { recursive: true })
    })

    function ask(body: Uint8Array<ArrayBuffer> | string, contentType: string): Promise<Response> {
      return fetch(`${program.ready.gateway}/v1/gateways/${gatewayName}/request`, { method: 'POST', body, headers: { 'content-type': contentType } })
    }

    it('scores every photo within 0.05 of the original models, by label', async () => {
      const answers = await Promise.all(
        manifest.images.map(async ({ file: name, expected }) => {
          const response = await ask(Uint8Array.from(readFileSync(join(directory, name))), types[extname(name)] ?? '')
          const text = await response.text()
          assert.equal(response.status, 200, `${name}: ${text}`)
          return { name, expected, answer: JSON.parse(text) as Answer }
        }),
      )
      assert.equal(answers.length, 18)
      for (const { name, expected, answer } of answers) {
        for (const [bee, { scores }] of Object.entries(answer.models)) {
          const [wanted] = expected[letters[bee] ?? 'a']
          assert.ok(Math.abs(scores.bear - wanted) <= 0.05, `${name}, ${bee}: bear ${scores.bear}, expected ${wanted}`)
          assert.ok(Math.abs(scores.bear + scores.teddy - 1) < 1e-3, `${name}, ${bee}`)
        }
        const weights = Object.values(answer.models).map(({ weight }) => weight)
        assert.deepEqual(weights.map((weight) => Number(weight.toFixed(6))).sort(), [0.2, 0.4, 0.4])
        const average = Object.values(answer.models).reduce((sum, { scores, weight }) => sum + scores.bear * weight, 0)
        assert.ok(Math.abs(average - answer.scores.bear) < 1e-9)
        assert.equal(answer.label, answer.scores.bear >= answer.scores.teddy ? 'bear' : 'teddy')
      }
    })

    it('saves three rows for each request, which curl and the official client can read', async () => {
      const response = await ask(Uint8Array.from(readFileSync(join(directory, 'photos', 'teddy-02-000000000491.jpg'))), 'image/jpeg')
      const id = response.headers.get('x-request-id') ?? ''
      const client = createClient({ url: program.ready.clickhouse ?? '' })
      const query = 'SELECT bee, label, score, model, batch_size, latency_ms FROM inferences WHERE request_id = {id:String} ORDER BY bee'
      interface Row {
        readonly bee: string
        readonly label: string
        readonly score: number
        readonly model: string
        readonly batch_size: number
        readonly latency_ms: number
      }
      let rows: Row[] = []
      while (rows.length < 3) rows = await (await client.query({ query, query_params: { id }, format: 'JSONEachRow' })).json<Row>()
      assert.deepEqual(
        rows.map(({ bee }) => bee),
        ['inference-pytorch', 'inference-svm', 'inference-tensorflow'],
      )
      for (const { label, score, batch_size, latency_ms } of rows) {
        assert.ok(['bear', 'teddy'].includes(label))
        assert.ok(score >= 0.5 && score <= 1)
        assert.ok(batch_size >= 1 && latency_ms > 0)
      }
      await client.close()
      const counted = `SELECT count() FROM inferences WHERE request_id = '${id}'`
      assert.equal(await (await fetch(`${program.ready.clickhouse}/?query=${encodeURIComponent(counted)}`)).text(), '3\n')
    })

    it('refuses a body that is not a picture, or is too large or too narrow, and answers the next request', async () => {
      for (const [body, type, said] of [
        ['this is no photo', 'image/jpeg', /picture|image/i],
        ['{"photo": 1}', 'application/json', /picture|image|photo/i],
        [hugePng(40_000, 40_000), 'image/png', /pixel/i],
        [hugePng(1, 300), 'image/png', /longer side/],
        [Uint8Array.from(svgOfUses), 'image/svg+xml', /JPEG/],
      ] as const) {
        const response = await ask(body, type)
        const problem = (await response.json()) as { readonly detail: string; readonly bee: string }
        assert.equal(response.status, 422, problem.detail)
        assert.equal(problem.bee, 'preprocess-images')
        assert.match(problem.detail, said)
      }
      assert.equal((await ask(Uint8Array.from(readFileSync(join(directory, 'photos', 'bear-01-bear.png'))), 'image/png')).status, 200)
    })
  })
}

/** The head of a PNG that announces this size and has hardly any pixels. */
function hugePng(width: number, height: number): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(readFileSync(join(directory, 'photos', 'bear-01-bear.png')))
  const view = new DataView(bytes.buffer)
  view.setUint32(16, width)
  view.setUint32(20, height)
  view.setUint32(29, crc32(bytes.subarray(12, 29)))
  return bytes
}
