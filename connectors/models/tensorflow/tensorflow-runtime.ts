import type { TensorFlowOptions, TensorSignature } from '../../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { labelsInAssets } from '../model-labels.ts'
import { type ModelHardware, type ModelRuntime, maxNeededOutputValues, outputsToGive } from '../model-runtime.ts'
import { chosenBackend } from './chosen-backend.ts'
import { unsupportedModel } from './invalid-model.ts'
import type { LoadedGraph, Tensors } from './loaded-graph.ts'
import { filledInputs } from './random-inputs.ts'
import { savedModelFolder } from './saved-model-folder.ts'
import type { ServedGraph } from './served-graph.ts'
import { readTensorFlowGraph } from './tensorflow-graph.ts'

/** Opens a frozen graph or a SavedModel. `output` names the output that the bee needs, even if it is large. */
export async function openTensorFlow(
  path: string,
  hardware: ModelHardware,
  output: string | undefined,
  options: TensorFlowOptions,
): Promise<{ runtime: ModelRuntime; warning: string | null }> {
  const graph = readTensorFlowGraph(path, options)
  const { loaded, choice } = await chosenBackend(path, graph, hardware, options)
  const first = await firstRun(graph, loaded, choice)
  const outputs = outputsOf(graph, first, output)
  const names = outputs.map(({ name }) => name)
  const runtime: ModelRuntime = {
    inputs: graph.inputs.map(({ signature }) => signature),
    outputs,
    classes: null,
    ownLabels() {
      const folder = savedModelFolder(path, options.version)
      return folder === null ? null : labelsInAssets(folder)
    },
    device: loaded.device,
    choice,
    run: (inputs) => loaded.run(inputs, names),
  }
  return { runtime, warning: loaded.warning }
}

/** Runs one row of zeros. The run reveals the shapes of the outputs, and warms the model up. A free dimension counts as one. */
async function firstRun({ path, inputs, outputs }: ServedGraph, { run, device }: LoadedGraph, choice: string): Promise<Tensors> {
  const zeros = filledInputs(
    inputs,
    () => 1,
    () => 0,
  )
  try {
    return await run(
      zeros,
      outputs.map(({ name }) => name),
    )
  } catch (cause) {
    const message = cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : String(cause)
    throw unsupportedModel(
      path,
      `cannot run on ${device} (${choice}): ${message}`,
      'Export the model as ONNX for tensor-rt, or without what the message names.',
    )
  }
}

function outputsOf({ path, inputs }: ServedGraph, first: Tensors, wanted: string | undefined): readonly TensorSignature[] {
  const isBatched = inputs.every(({ signature }) => signature.shape[0] === -1)
  const outputs = Object.entries(first).map(([name, { datatype, shape: sizes }]): TensorSignature => {
    const shape = isBatched && sizes[0] === 1 ? [-1, ...sizes.slice(1)] : sizes
    return { name, datatype, shape, dimensions: shape.map(() => '') }
  })
  const small = outputsToGive(outputs, wanted)
  if (small.length > 0) return small
  throw new WaggleError('WAGGLE_MODEL_SHAPE', {
    message: `${path} has no output of at most ${maxNeededOutputValues} values a row`,
    next: 'Use a model that gives a small output.',
  })
}
