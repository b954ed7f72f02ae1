import { createRequire } from 'node:module'
import type { TensorFlowOptions } from '../../../topology/swarm/ports/models.ts'
import type { ModelHardware } from '../model-runtime.ts'
import { unsupportedModel } from './invalid-model.ts'
import { largestDifference } from './largest-difference.ts'
import type { LoadedGraph } from './loaded-graph.ts'
import { loadOnOnnxruntime } from './onnx-graph-runner.ts'
import { randomInputs } from './random-inputs.ts'
import type { ServedGraph } from './served-graph.ts'
import { tfjsAnswers } from './tfjs-answers.ts'
import { loadOnTfjs } from './tfjs-model.ts'
import { translateToOnnx } from './translation/onnx-translation.ts'

interface Choice {
  readonly loaded: LoadedGraph
  /** The reason why this library runs the model, as a text. */
  readonly choice: string
}

/**
 * Loads a graph on onnxruntime if its translation to ONNX gives the same results as tfjs, and otherwise on tfjs. Throws WAGGLE_MODEL_SHAPE if the bee
 * requires onnxruntime, but onnxruntime cannot run the graph.
 */
export async function chosenBackend(path: string, graph: ServedGraph, hardware: ModelHardware, options: TensorFlowOptions): Promise<Choice> {
  const { backend = 'auto' } = options
  if (backend === 'tfjs') return { loaded: await loadOnTfjs(graph, hardware.gpu), choice: 'backend is tfjs' }
  const translated = await translatedGraph(path, graph, hardware, options)
  if (!('why' in translated)) return translated
  const { why } = translated
  if (backend === 'onnx')
    throw unsupportedModel(path, `cannot run on onnxruntime: ${why}`, 'Set backend to auto or tfjs, or export the model as ONNX for tensor-rt.')
  return { loaded: await loadOnTfjs(graph, hardware.gpu), choice: why }
}

/** Two values count as equal if their difference is at most this fraction of the output's range. */
const maxDifference = 1e-4

async function translatedGraph(
  path: string,
  graph: ServedGraph,
  hardware: ModelHardware,
  options: TensorFlowOptions,
): Promise<Choice | { readonly why: string }> {
  let loaded: LoadedGraph
  try {
    loaded = await loadOnOnnxruntime(path, translateToOnnx(graph), hardware)
  } catch (thrown) {
    return { why: `no translation to ONNX: ${messageOf(thrown)}` }
  }
  // If only tfjs can use the GPU, tfjs is preferred to the translation.
  if (loaded.warning !== null && hasTfjsGpu()) return { why: `${loaded.warning}, and tfjs-node-gpu is installed` }
  const inputs = randomInputs(graph)
  if (inputs === null) return { loaded, choice: 'translated to ONNX, and not compared with tfjs, because its inputs are too large' }
  const reply = await tfjsAnswers({ path, options, inputs })
  if ('failure' in reply) return { loaded, choice: `translated to ONNX, and not compared, because tfjs cannot run it: ${reply.failure}` }
  const names = graph.outputs.map(({ name }) => name)
  try {
    const difference = largestDifference(await loaded.run(inputs, names), reply.answers)
    if (difference === Number.POSITIVE_INFINITY)
      return { why: `its translation to ONNX gives another shape than ${reply.device}, or no number where that gives one` }
    const shown = `${difference === 0 ? '0' : difference.toExponential(1)} of the output's range`
    if (difference <= maxDifference) return { loaded, choice: `translated to ONNX, within ${shown} of ${reply.device}` }
    return { why: `its translation to ONNX differs by ${shown} from ${reply.device}` }
  } catch (thrown) {
    return { why: `its translation to ONNX fails: ${messageOf(thrown)}` }
  }
}

function hasTfjsGpu(): boolean {
  try {
    createRequire(import.meta.url).resolve('@tensorflow/tfjs-node-gpu')
    return true
  } catch {
    return false
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.message.split('\n', 1)[0] ?? '') : String(thrown)
}
