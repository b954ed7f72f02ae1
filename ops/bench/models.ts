import { resolve } from 'node:path'
import { createSession } from '../../connectors/models/onnx-runtime.ts'
import { readTensorFlowGraph } from '../../connectors/models/tensorflow/tensorflow-graph.ts'
import { translateToOnnx } from '../../connectors/models/tensorflow/translation/onnx-translation.ts'
import { ThreadedModels } from '../../connectors/models/threaded-models.ts'
import type { ModelRow, OpenModel, TensorFlowBackend } from '../../topology/swarm/ports/models.ts'
import { type Measure, measure } from './measure.ts'
import { reloadBenchmark } from './reload.ts'
import type { Table } from './table.ts'

/** Models of one file, in one process: translated and on tfjs, beside a bare session of onnxruntime that runs the same translation. */
export async function modelsBenchmark({ seconds }: { readonly seconds: number }): Promise<readonly Table[]> {
  const path = resolve(import.meta.dirname, '..', '..', 'swarms', 'teddy-bear-detector', 'models', 'teddy-bear-detector.pb')
  const bare = await bareRun(path)
  const [onnx, tfjs] = await Promise.all((['onnx', 'tfjs'] as const).map((backend) => openModel(path, backend)))
  const runs = [
    { name: 'onnxruntime alone', run: bare },
    { name: 'translated', run: waggleRun(onnx) },
    { name: 'tfjs wasm', run: waggleRun(tfjs) },
  ]
  const rows: (readonly (string | number)[])[] = []
  for (const batch of [1, 10, 32]) {
    const found = new Map<string, Measure & { readonly images: number }>()
    // The programs take turns in short rounds, so that a busy minute of the machine slows all of them.
    for (let round = 0; round < rounds; round++) {
      for (const { name, run } of runs) {
        const known = found.get(name) ?? { images: 0, seconds: 0, cpuMicros: 0 }
        await run(batch)
        const done = measure()
        let images = 0
        do {
          await run(batch)
          images += batch
        } while (done().seconds < seconds / rounds)
        const { seconds: took, cpuMicros } = done()
        found.set(name, { images: known.images + images, seconds: known.seconds + took, cpuMicros: known.cpuMicros + cpuMicros })
      }
    }
    for (const [name, { images, seconds: took, cpuMicros }] of found) rows.push([batch, name, images / took, cpuMicros / 1000 / images])
  }
  await Promise.all([onnx, tfjs].map((model) => model?.close()))
  return [
    {
      title: 'The teddy swarm’s TensorFlow model, by the library that runs it',
      columns: ['batch', 'library', 'images/s', 'CPU ms/image'],
      rows,
      names: 2,
      floorRow: 'alone',
    },
    await reloadBenchmark({ seconds }),
  ]
}

const rounds = 3

type Run = (batch: number) => Promise<unknown>

function openModel(path: string, backend: TensorFlowBackend): Promise<OpenModel> {
  return new ThreadedModels({ requireGpu: false }).open({ path, runtime: 'tensorflow', gpu: 0, fit: {}, tensorflow: { backend }, log: () => {} })
}

function waggleRun(model: OpenModel | undefined): Run {
  const shape = model?.signature.rows[0]?.shape ?? []
  const row: ModelRow = { kind: 'tensors', tensors: [{ shape, data: new Float32Array(sizeOf(shape)).fill(99) }] }
  const { signal } = new AbortController()
  return async (batch) =>
    model?.run(
      Array.from({ length: batch }, () => row),
      signal,
    )
}

async function bareRun(path: string): Promise<Run> {
  const { Tensor } = await import('onnxruntime-node')
  const { bytes } = translateToOnnx(readTensorFlowGraph(path, {}))
  const { session } = await createSession(path, bytes, { gpu: 0, threads: 1 })
  const [input] = session.inputMetadata
  const shape = input?.isTensor ? input.shape.slice(1).map(Number) : []
  return (batch) => session.run({ [input?.name ?? '']: new Tensor('float32', new Float32Array(batch * sizeOf(shape)).fill(99), [batch, ...shape]) })
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}
