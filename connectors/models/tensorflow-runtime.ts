import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import type { TensorSignature } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type FrozenGraph, readFrozenGraph } from './frozen-graph.ts'
import { type ModelRuntime, maxScores, outputsToGive, type RunTensor } from './model-runtime.ts'

/**
 * Opens a model on the first available backend: tfjs-node-gpu, then tfjs-node (if the user has installed one), else WebAssembly. `output`: the output
 * that the bee needs, whatever its size.
 */
export async function openTensorFlow(
  path: string,
  gpu: number,
  output: string | undefined,
): Promise<{ runtime: ModelRuntime; warning: string | null }> {
  const graph = readFrozenGraph(path)
  const { tf, converter, backend } = await loadBackend(gpu)
  if (graph.inputs.length === 0)
    throw new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${path} has no placeholder to feed`,
      next: 'Freeze the graph with its input as a placeholder.',
    })
  const model = await converter.loadGraphModel({ load: async () => graph.artifacts as never })
  const outputs = await outputsOf(path, tf, model, graph, output)
  const names = outputs.map(({ name }) => name)
  const runtime: ModelRuntime = {
    inputs: graph.inputs.map((input) => ({ ...input, dimensions: input.shape.map(() => '') })),
    outputs,
    classes: null,
    device: `tfjs ${backend}`,
    async run(inputs) {
      const fed = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, tensorOf(tf, tensor)]))
      const given = model.execute(fed, names)
      const tensors = Array.isArray(given) ? given : [given]
      try {
        return Object.fromEntries(await Promise.all(tensors.map(async (tensor, at) => [names[at] ?? '', await runTensor(tensor)] as const)))
      } finally {
        for (const tensor of [...Object.values(fed), ...tensors]) tensor.dispose()
      }
    },
  }
  const warning = gpu > 0 && backend !== 'tfjs-node-gpu' ? 'the package @tensorflow/tfjs-node-gpu is not installed' : null
  return { runtime, warning }
}

function tensorOf(tf: Tf, { datatype, shape, data }: RunTensor): TfTensor {
  return tf.tensor(data as Float32Array, [...shape], typeOf(datatype))
}

async function runTensor(tensor: TfTensor): Promise<RunTensor> {
  const datatype = datatypeOf(tensor.dtype)
  return { datatype, shape: tensor.shape, data: (await tensor.data()).slice() }
}

function datatypeOf(type: string): 'INT32' | 'BOOL' | 'FP32' {
  return type === 'int32' ? 'INT32' : type === 'bool' ? 'BOOL' : 'FP32'
}

function typeOf(datatype: RunTensor['datatype']): 'int32' | 'bool' | 'float32' {
  return datatype === 'INT32' ? 'int32' : datatype === 'BOOL' ? 'bool' : 'float32'
}

type Tf = typeof import('@tensorflow/tfjs-core')
type TfTensor = import('@tensorflow/tfjs-core').Tensor
type Converter = typeof import('@tensorflow/tfjs-converter')

async function loadBackend(gpu: number): Promise<{ tf: Tf; converter: Converter; backend: string }> {
  // These packages import files without extensions, which only `require` accepts.
  const require = createRequire(import.meta.url)
  const tf = require('@tensorflow/tfjs-core') as Tf
  const converter = require('@tensorflow/tfjs-converter') as Converter
  for (const name of gpu > 0 ? ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] : ['@tensorflow/tfjs-node']) {
    try {
      require(name)
      await tf.ready()
      return { tf, converter, backend: name.slice('@tensorflow/'.length) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  const wasm = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm')
  wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`)
  wasm.setThreadsCount(1)
  await tf.setBackend('wasm')
  await tf.ready()
  return { tf, converter, backend: 'wasm' }
}

/** Runs one row of zeros, which shows the shapes of the outputs and warms the model up. A free dimension counts as 1. */
async function outputsOf(
  path: string,
  tf: Tf,
  model: InstanceType<Converter['GraphModel']>,
  { inputs, outputs: names }: FrozenGraph,
  wanted: string | undefined,
): Promise<readonly TensorSignature[]> {
  const zeros = Object.fromEntries(
    inputs.map(({ name, datatype, shape }) => {
      const sizes = shape.map((size) => Math.max(1, size))
      return [name, tf.zeros(sizes, typeOf(datatype))]
    }),
  )
  const isBatched = inputs.every(({ shape }) => shape[0] === -1)
  const outputs: TensorSignature[] = []
  for (const name of names) {
    const given = model.execute(zeros, name)
    const tensor = Array.isArray(given) ? given[0] : given
    if (tensor === undefined) continue
    const shape = isBatched && tensor.shape[0] === 1 ? [-1, ...tensor.shape.slice(1)] : tensor.shape
    outputs.push({ name, datatype: datatypeOf(tensor.dtype), shape, dimensions: shape.map(() => '') })
    tensor.dispose()
  }
  for (const tensor of Object.values(zeros)) tensor.dispose()
  const given = outputsToGive(outputs, wanted)
  if (given.length > 0) return given
  throw new WaggleError('WAGGLE_MODEL_SHAPE', {
    message: `${path} has no output of at most ${maxScores} values a row`,
    next: 'Use a model that gives a small output.',
  })
}
