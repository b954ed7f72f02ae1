import type { TensorFlowOptions } from '../../../topology/swarm/ports/models.ts'
import { readFrozenGraph } from './frozen-graph.ts'
import { unsupportedModel } from './invalid-model.ts'
import { readSavedModel } from './saved-model.ts'
import { savedModelFolder } from './saved-model-folder.ts'
import type { ServedGraph } from './served-graph.ts'

/** Reads the model at a path: the folder of a SavedModel, a folder with numbered SavedModels, or a frozen graph. */
export function readTensorFlowGraph(path: string, { signature, version }: TensorFlowOptions): ServedGraph {
  const folder = savedModelFolder(path, version)
  if (folder !== null) return readSavedModel(folder, signature)
  if (signature === undefined && version === undefined) return readFrozenGraph(path)
  const setting = signature === undefined ? 'version' : 'signature'
  throw unsupportedModel(path, `is a frozen graph, which has no ${setting}`, `Leave ${setting} out, or name a SavedModel folder.`)
}
