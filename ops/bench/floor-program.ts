import { dirname } from 'node:path'
import fastify from 'fastify'
import { BeeRegistry } from '../../bees/registry.ts'
import { averageOf } from '../../bees/weighted-average-ensemble/bee.ts'
import { ThreadedModels } from '../../connectors/models/threaded-models.ts'
import { decodePicture } from '../../connectors/pictures/picture-decoder.ts'
import { LocalProcesses } from '../../connectors/processes/local-processes.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { CheckedSwarm, SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { ModelRow } from '../../topology/swarm/ports/models.ts'
import { Answered } from '../../topology/swarm/request/answered.ts'
import { loadConfig } from '../config/config.ts'
import type { ResolveMap } from '../config/resolve-map.ts'
import { readSwarm } from '../config/swarm-file.ts'

/**
 * The floor for a swarm with decoding, three models and an ensemble: a plain fastify server, written by hand. The server has the same decoding, model
 * threads, processes and batch sizes. It has no log, join, database, request ids or deadlines.
 */
const batchSize = 10
const modelTypes = new Set(['tf-serving', 'tensor-rt', 'container'])
const neverAborted = new AbortController().signal

const [file = ''] = process.argv.slice(2)
const swarm = readSwarm(file, new BeeRegistry())
const { resolve } = loadConfig({ directories: [dirname(file)], env: process.env })
const decode = decoderOf(swarm)
const models = await Promise.all(swarm.bees.filter(({ type }) => modelTypes.has(type.type)).map((bee) => batchedModel(bee, resolve)))
const weights = (swarm.bees.find(({ type }) => type.type === 'weighted-average-ensemble')?.spec.weights ?? {}) as { readonly [bee: string]: number }

const app = fastify({ bodyLimit: 32 * 1024 * 1024 })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
app.post('/', async (request) => {
  const input = await decode(request.body as Buffer)
  const predictions = await Promise.all(models.map(async ({ name, predict }) => [name, { scores: await predict(input) }] as const))
  return averageOf(new Map(predictions), weights)
})
process.stdout.write(`${JSON.stringify({ event: 'ready', gateway: await app.listen({ host: '127.0.0.1', port: 0 }) })}\n`)

type Scores = { readonly [label: string]: number }

function decoderOf({ bees }: CheckedSwarm): (body: Buffer) => Promise<ModelRow> | ModelRow {
  const preprocess = bees.find(({ type }) => type.type === 'image-preprocess')
  if (preprocess === undefined) {
    return (body) => {
      const data = Float32Array.from(JSON.parse(body.toString()) as number[])
      return { kind: 'tensors', tensors: [{ shape: [data.length], data }] }
    }
  }
  const shorterSide = Number(preprocess.spec.resize)
  return async (body) => ({ kind: 'picture', ...(await decodePicture(body, { shorterSide })) })
}

async function batchedModel(
  { name, type, spec, gpu }: SwarmBee,
  map: ResolveMap,
): Promise<{ name: string; predict: (row: ModelRow) => Promise<Scores> }> {
  const log = () => {}
  if (type.type === 'container') {
    const command = map.command(String(spec.image)) ?? []
    const open = await new LocalProcesses({ clock: systemClock }).open({ swarm: swarm.name, bee: name, command, env: {}, log })
    return { name, predict: inBatches((rows) => callProcess(open, rows)) }
  }
  const runtime = type.type === 'tf-serving' ? 'tensorflow' : 'onnx'
  const model = await new ThreadedModels({ requireGpu: false }).open({
    path: await map.path(String(spec.model), dirname(file)),
    runtime,
    gpu,
    fit: {},
    log,
  })
  const labels = spec.labels as readonly string[]
  return {
    name,
    predict: inBatches(async (rows) =>
      (await model.run(rows, neverAborted)).map(({ outputs }) => {
        const { values = [] } = outputs.probabilities ?? Object.values(outputs)[0] ?? {}
        return Object.fromEntries(labels.map((label, at) => [label, Number(values[at] ?? 0)]))
      }),
    ),
  }
}

async function callProcess(open: Awaited<ReturnType<LocalProcesses['open']>>, rows: readonly ModelRow[]): Promise<readonly Scores[]> {
  const calls = rows.map((row) => ({
    id: '',
    payload: {
      kind: 'tensors' as const,
      tensors:
        row.kind === 'picture'
          ? { image: { datatype: 'UINT8' as const, shape: [row.height, row.width, 3], data: row.pixels } }
          : Object.fromEntries(row.tensors.map(({ shape, data }) => ['input', { datatype: 'FP32' as const, shape, data: data as Float32Array }])),
    },
    deadline: null,
    signal: neverAborted,
  }))
  return (await open.call(calls)).map((outcome) => {
    if (outcome instanceof Error || outcome instanceof Answered || outcome.kind !== 'json') throw outcome
    return (outcome.json as { readonly scores: Scores }).scores
  })
}

/** Makes a function that computes single rows in batches. While a batch runs, rows for the next batch are collected. */
function inBatches(run: (rows: readonly ModelRow[]) => Promise<readonly Scores[]>): (row: ModelRow) => Promise<Scores> {
  const waiting: { readonly row: ModelRow; resolve(scores: Scores): void; reject(error: unknown): void }[] = []
  let running = 0
  const next = () => {
    while (running < 2 && waiting.length > 0 && (running === 0 || waiting.length >= batchSize)) {
      const batch = waiting.splice(0, batchSize)
      running++
      run(batch.map(({ row }) => row))
        .then(
          (results) => batch.forEach(({ resolve }, at) => resolve(results[at] ?? {})),
          (error: unknown) => batch.forEach(({ reject }) => reject(error)),
        )
        .finally(() => {
          running--
          next()
        })
    }
  }
  return (row) =>
    new Promise((resolve, reject) => {
      waiting.push({ row, resolve, reject })
      // Rows that arrive in one turn of the event loop form one batch.
      if (waiting.length === 1) setImmediate(next)
    })
}
