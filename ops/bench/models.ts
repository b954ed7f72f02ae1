import { join, resolve } from 'node:path'
import { createSession } from '../../connectors/models/onnx-runtime.ts'
import { readTensorFlowGraph } from '../../connectors/models/tensorflow/tensorflow-graph.ts'
import { loadOnTfjs } from '../../connectors/models/tensorflow/tfjs-model.ts'
import { translateToOnnx } from '../../connectors/models/tensorflow/translation/onnx-translation.ts'
import { ThreadedModels } from '../../connectors/models/threaded-models.ts'
import type { ModelRow, OpenModel, TensorFlowOptions } from '../../topology/swarm/ports/models.ts'
import { measure } from './measure.ts'
import { reloadBenchmark } from './reload.ts'
import { swarmBenchmark } from './swarm.ts'
import { teddyWorkload } from './swarm-workloads.ts'
import type { Table } from './table.ts'

/** Measures models in this process and in the bare libraries, the teddy swarm and its floor, and the change to a newer version under load. */
export async function modelsBenchmark({ seconds, clients }: { readonly seconds: number; readonly clients: number }): Promise<readonly Table[]> {
  return [
    await librariesTable(seconds),
    ...(await swarmBenchmark({ seconds, clients, minutes: 0, workloads: [teddyWorkload()] })),
    ...(await reloadBenchmark({ seconds: reloadWindows * seconds })),
  ]
}

/**
 * `--seconds` (default 10) is multiplied by this, so that each of the two loads runs for a minute: one before versions change, one while they change.
 */
const reloadWindows = 6

/**
 * Measures the models of the teddy swarm, each in its own thread as a bee opens it, and with the bare library in this process. Each run is computed
 * by one thread.
 */
async function librariesTable(seconds: number): Promise<Table> {
  const directory = resolve(import.meta.dirname, '..', '..', 'swarms', 'teddy-bear-detector', 'models')
  const [onnx, graph] = ['onnx', 'pb'].map((ending) => join(directory, `teddy-bear-detector.${ending}`)) as [string, string]
  const libraries = [
    { name: 'onnxruntime', bare: await bareOnnx(onnx, null), model: await openModel(onnx, {}) },
    {
      name: 'translated',
      bare: await bareOnnx(graph, translateToOnnx(readTensorFlowGraph(graph, {})).bytes),
      model: await openModel(graph, { backend: 'onnx' }),
    },
    { name: 'tfjs wasm', bare: await bareTfjs(graph), model: await openModel(graph, { backend: 'tfjs' }) },
  ]
  const rows: (readonly (string | number)[])[] = []
  for (const { name, bare, model } of libraries) {
    for (const batch of [1, 10, 32]) {
      const [floor, waggle] = await alternated([bare, waggleRun(model)], batch, seconds)
      if (floor === undefined || waggle === undefined) continue
      const row = `${name}, batch of ${batch}`
      rows.push([row, 'bare', floor.perSecond, floor.cpuMs, 1], [row, 'Waggle', waggle.perSecond, waggle.cpuMs, waggle.perSecond / floor.perSecond])
    }
    await model.close()
  }
  return {
    title: 'The teddy swarm’s models, by the library that runs them',
    columns: ['library', 'program', 'images/s', 'CPU ms/image', 'of the bare rate'],
    rows,
    names: 2,
    floorRow: 'bare',
  }
}

/** The rate and the CPU time of each program. The programs run alternately in short rounds, so that other load on the machine slows all of them. */
async function alternated(
  runs: readonly Run[],
  batch: number,
  seconds: number,
): Promise<readonly { readonly perSecond: number; readonly cpuMs: number }[]> {
  const sums = runs.map(() => ({ images: 0, seconds: 0, cpuMicros: 0 }))
  for (const run of runs) await run(batch)
  for (let round = 0; round < rounds; round++) {
    for (const [at, run] of runs.entries()) {
      const sum = sums[at]
      if (sum === undefined) continue
      const done = measure()
      do {
        await run(batch)
        sum.images += batch
      } while (done().seconds < seconds / rounds)
      const { seconds: took, cpuMicros } = done()
      sum.seconds += took
      sum.cpuMicros += cpuMicros
    }
  }
  return sums.map(({ images, seconds: took, cpuMicros }) => ({ perSecond: images / took, cpuMs: cpuMicros / 1000 / images }))
}

const rounds = 3

type Run = (batch: number) => Promise<unknown>

function openModel(path: string, tensorflow: TensorFlowOptions): Promise<OpenModel> {
  const runtime = path.endsWith('.pb') ? 'tensorflow' : 'onnx'
  return new ThreadedModels({ requireGpu: false }).open({ path, runtime, gpu: 0, fit: {}, tensorflow, log: () => {} })
}

function waggleRun(model: OpenModel): Run {
  const shape = model.signature.rows[0]?.shape ?? []
  const row: ModelRow = { kind: 'tensors', tensors: [{ shape, data: grey(sizeOf(shape)) }] }
  const { signal } = new AbortController()
  return (batch) => model.run(Array<ModelRow>(batch).fill(row), signal)
}

/** Runs a model with bare onnxruntime. If `bytes` is not null, it is the model, and the file is not read. */
async function bareOnnx(path: string, bytes: Uint8Array | null): Promise<Run> {
  const { Tensor } = await import('onnxruntime-node')
  const { session } = await createSession(path, bytes, { gpu: 0, threads: 1 })
  const [input] = session.inputMetadata
  const shape = input?.isTensor ? input.shape.slice(1).map(Number) : []
  const outputs = session.outputMetadata.flatMap((one) => (one.isTensor && Number(one.shape[1] ?? 0) <= maxOutputValues ? [one.name] : []))
  return (batch) => session.run({ [input?.name ?? '']: new Tensor('float32', grey(batch * sizeOf(shape)), [batch, ...shape]) }, outputs)
}

/** Runs a model with bare tfjs, in the main thread of this program. */
async function bareTfjs(path: string): Promise<Run> {
  const graph = readTensorFlowGraph(path, {})
  const { run } = await loadOnTfjs(graph, 0)
  const [input] = graph.inputs
  const shape = input?.signature.shape.slice(1) ?? []
  const name = input?.signature.name ?? ''
  return (batch) => run({ [name]: { datatype: 'FP32', shape: [batch, ...shape], data: grey(batch * sizeOf(shape)) } }, ['probabilities'])
}

/** The bare library is not asked for larger outputs either, because Waggle leaves them out. */
const maxOutputValues = 64

function grey(size: number): Float32Array {
  return new Float32Array(size).fill(99)
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}
