import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import type { TensorSignature } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { readFrozenGraph } from './frozen-graph.ts'
import { type ModelRuntime, maxOutputValues } from './model-runtime.ts'

/** Opens a model on the first available backend: tfjs-node-gpu, tfjs-node (where the user has installed them), else WebAssembly. */
export async function openTensorFlow(path: string, gpu: number): Promise<{ runtime: ModelRuntime; warning: string | null }> {
  const graph = readFrozenGraph(path)
  const { tf, converter, backend } = await loadBackend(gpu)
  const input = graph.inputs[0]
  if (input === undefined)
    throw new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${path} has no placeholder to feed`,
      next: 'Freeze the graph with its input as a placeholder.',
    })
  const model = await converter.loadGraphModel({ load: async () => graph.artifacts as never })
  const outputs = await outputsOf(path, tf, model, input, graph.outputs)
  const names = outputs.map(({ name }) => name)
  const runtime: ModelRuntime = {
    signature: { inputs: [{ name: input.name, datatype: 'FP32', shape: input.shape }], outputs },
    device: `tfjs ${backend}`,
    async run(values, shape) {
      const fed = tf.tensor(values, [...shape], 'float32')
      const given = model.execute({ [input.name]: fed }, names)
      const tensors = Array.isArray(given) ? given : [given]
      const results = Object.fromEntries(
        await Promise.all(tensors.map(async (tensor, at) => [names[at] ?? '', Float32Array.from(await tensor.data())] as const)),
      )
      fed.dispose()
      for (const tensor of tensors) tensor.dispose()
      return results
    },
  }
  const warning = gpu > 0 && backend !== 'tfjs-node-gpu' ? 'the package @tensorflow/tfjs-node-gpu is not installed' : null
  return { runtime, warning }
}

type Tf = typeof import('@tensorflow/tfjs-core')
type Converter = typeof import('@tensorflow/tfjs-converter')

async function loadBackend(gpu: number): Promise<{ tf: Tf; converter: Converter; backend: string }> {
  // `require`, because these packages' modules import files without the endings that Node's own loader needs.
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

/** Runs one row of zeros: it tells the outputs' shapes, and warms the model up. */
async function outputsOf(
  path: string,
  tf: Tf,
  model: InstanceType<Converter['GraphModel']>,
  input: { name: string; shape: readonly number[] },
  names: readonly string[],
): Promise<TensorSignature[]> {
  const shape = input.shape.map((size, at) => (at === 0 ? 1 : size))
  if (shape.length === 0 || shape.some((size) => size < 1)) {
    throw new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${path} wants an input of shape [${input.shape}], of which only the first may be free`,
      next: 'Freeze the graph with a fixed input size.',
    })
  }
  const zeros = tf.zeros(shape)
  const outputs: TensorSignature[] = []
  for (const name of names) {
    const given = model.execute({ [input.name]: zeros }, name)
    const tensor = Array.isArray(given) ? given[0] : given
    if (tensor === undefined) continue
    const values = tensor.shape.slice(1).reduce((product, size) => product * size, 1)
    if (tensor.shape[0] === 1 && values <= maxOutputValues) outputs.push({ name, datatype: 'FP32', shape: [-1, ...tensor.shape.slice(1)] })
    tensor.dispose()
  }
  zeros.dispose()
  if (outputs.length > 0) return outputs
  throw new WaggleError('WAGGLE_MODEL_SHAPE', {
    message: `${path} has no output of at most ${maxOutputValues} values a row`,
    next: 'Use a model that gives a small output.',
  })
}
