import type { TensorFlowOptions, TensorSignature } from '../../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { labelsInAssets } from '../model-labels.ts'
import { type ModelRuntime, maxScores, outputsToGive, type RunTensor } from '../model-runtime.ts'
import { readFrozenGraph } from './frozen-graph.ts'
import { readSavedModel } from './saved-model.ts'
import { savedModelFolder } from './saved-model-folder.ts'
import type { ServedGraph, ServedInput } from './served-graph.ts'
import { type LoadedGraph, loadOnTfjs } from './tfjs-model.ts'

/** Opens a frozen graph or a SavedModel. `output`: the output that the bee needs, whatever its size. */
export async function openTensorFlow(
  path: string,
  gpu: number,
  output: string | undefined,
  options: TensorFlowOptions,
): Promise<{ runtime: ModelRuntime; warning: string | null }> {
  const graph = readTensorFlowGraph(path, options)
  const loaded = await loadOnTfjs(graph, gpu)
  const outputs = await outputsOf(graph, loaded, output)
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
    run: (inputs) => loaded.run(inputs, names),
  }
  return { runtime, warning: loaded.warning }
}

function readTensorFlowGraph(path: string, { signature, version }: TensorFlowOptions): ServedGraph {
  const folder = savedModelFolder(path, version)
  if (folder !== null) return readSavedModel(folder, signature)
  if (signature === undefined && version === undefined) return readFrozenGraph(path)
  throw new WaggleError('WAGGLE_MODEL_SHAPE', {
    message: `${path} is a frozen graph, which has no ${signature === undefined ? 'versions' : 'signatures'}`,
    next: `Leave ${signature === undefined ? 'version' : 'signature'} out, or name a SavedModel folder.`,
  })
}

/** Runs one row of zeros: it tells the outputs' shapes, and warms the model up. A free dimension counts as one. */
async function outputsOf(
  { path, inputs, outputs: named }: ServedGraph,
  loaded: LoadedGraph,
  wanted: string | undefined,
): Promise<readonly TensorSignature[]> {
  const zeros = Object.fromEntries(inputs.map(({ signature }) => [signature.name, zerosOf(signature)]))
  const isBatched = inputs.every(({ signature }) => signature.shape[0] === -1)
  const outputs: TensorSignature[] = []
  const given = await loaded.run(
    zeros,
    named.map(({ name }) => name),
  )
  for (const [name, { datatype, shape: sizes }] of Object.entries(given)) {
    const shape = isBatched && sizes[0] === 1 ? [-1, ...sizes.slice(1)] : sizes
    outputs.push({ name, datatype, shape, dimensions: shape.map(() => '') })
  }
  const small = outputsToGive(outputs, wanted)
  if (small.length > 0) return small
  throw new WaggleError('WAGGLE_MODEL_SHAPE', {
    message: `${path} has no output of at most ${maxScores} values a row`,
    next: 'Use a model that gives a small output.',
  })
}

function zerosOf({ datatype, shape }: ServedInput['signature']): RunTensor {
  const sizes = shape.map((size) => Math.max(1, size))
  const count = sizes.reduce((product, size) => product * size, 1)
  return {
    datatype,
    shape: sizes,
    data: datatype === 'INT32' ? new Int32Array(count) : datatype === 'BOOL' ? new Uint8Array(count) : new Float32Array(count),
  }
}
