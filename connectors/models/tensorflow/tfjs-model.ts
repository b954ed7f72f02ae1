import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import type { RunTensor } from '../model-runtime.ts'
import type { LoadedGraph } from './loaded-graph.ts'
import type { ServedGraph } from './served-graph.ts'
import { tfjsArtifacts } from './tfjs-artifacts.ts'

/**
 * Loads a graph on the first backend of tfjs that is available: tfjs-node-gpu (only for a bee that asks for a GPU), tfjs-node, or WebAssembly.
 * tfjs-node-gpu and tfjs-node are available only if the user has installed them.
 */
export async function loadOnTfjs(graph: ServedGraph, gpu: number): Promise<LoadedGraph> {
  const { tf, converter, backend } = await loadBackend(gpu)
  const model = await converter.loadGraphModel({ load: async () => tfjsArtifacts(graph) as never })
  // tfjs refuses a value for an input that no output needs, so only needed inputs get values.
  const needed = new Set(graph.nodes.map(({ name }) => name))
  const placeholders = new Map(graph.inputs.flatMap(({ signature, node }) => (needed.has(node) ? [[signature.name, node] as const] : [])))
  const references = new Map(graph.outputs.map(({ name, reference }) => [name, reference]))
  return {
    device: `tfjs ${backend}`,
    warning: gpu > 0 && backend !== 'tfjs-node-gpu' ? 'the package @tensorflow/tfjs-node-gpu is not installed' : null,
    async run(inputs, outputs) {
      const fed = Object.fromEntries(
        Object.entries(inputs).flatMap(([name, tensor]) => {
          const node = placeholders.get(name)
          return node === undefined ? [] : [[node, tensorOf(tf, tensor)]]
        }),
      )
      const given = model.execute(
        fed,
        outputs.map((name) => references.get(name) ?? name),
      )
      const tensors = Array.isArray(given) ? given : [given]
      try {
        return Object.fromEntries(await Promise.all(tensors.map(async (tensor, at) => [outputs[at] ?? '', await runTensor(tensor)] as const)))
      } finally {
        for (const tensor of [...Object.values(fed), ...tensors]) tensor.dispose()
      }
    },
  }
}

function tensorOf(tf: Tf, { datatype, shape, data }: RunTensor): TfTensor {
  if (datatype === 'UINT8') return tf.tensor(Int32Array.from(data as Uint8Array), [...shape], 'int32')
  return tf.tensor(data as Float32Array, [...shape], datatype === 'INT32' ? 'int32' : datatype === 'BOOL' ? 'bool' : 'float32')
}

async function runTensor(tensor: TfTensor): Promise<RunTensor> {
  const datatype = tensor.dtype === 'int32' ? 'INT32' : tensor.dtype === 'bool' ? 'BOOL' : 'FP32'
  return { datatype, shape: tensor.shape, data: (await tensor.data()).slice() }
}

type Tf = typeof import('@tensorflow/tfjs-core')
type TfTensor = import('@tensorflow/tfjs-core').Tensor
type Converter = typeof import('@tensorflow/tfjs-converter')

async function loadBackend(gpu: number): Promise<{ tf: Tf; converter: Converter; backend: string }> {
  // Loaded by `require`, because the modules of these packages import files without the file endings that `import` needs.
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
