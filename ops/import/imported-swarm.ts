import { readBounded } from '../../connectors/system/bounded-file.ts'
import { invalidSwarm, maxSwarmBytes, mistakeAt } from '../../topology/swarm/swarm-document.ts'
import { importKserveGraph } from './kserve-graph.ts'
import { importSeldonPipeline } from './seldon-pipeline.ts'
import type { SwarmDraft } from './swarm-draft.ts'
import { importTritonEnsemble } from './triton-ensemble.ts'
import { yamlObjects } from './yaml-object.ts'

/**
 * Makes a swarm from another system's graph: the `config.pbtxt` of a Triton ensemble, a Pipeline of Seldon Core 2, or an InferenceGraph of KServe.
 * `folder` is the future folder of the swarm file. Throws WAGGLE_INVALID_SWARM with the place of a part that cannot be read, and
 * WAGGLE_FILE_NOT_FOUND.
 */
export function importedSwarm(file: string, folder: string): SwarmDraft {
  const next = 'Name a config.pbtxt of Triton, a Pipeline of Seldon Core 2 or an InferenceGraph of KServe.'
  const text = textOf(readBounded(file, { maxBytes: maxSwarmBytes, next }), file)
  if (/\.(pbtxt|textproto|txtpb)$/.test(file) || !/^\s*(apiVersion|kind)\s*:/m.test(text)) return importTritonEnsemble(text, file, folder)
  const objects = yamlObjects(text, file)
  const ofKind = (kind: string) => objects.filter((object) => object.text('kind') === kind)
  const [pipeline, anotherPipeline] = ofKind('Pipeline')
  const [graph, anotherGraph] = ofKind('InferenceGraph')
  const extra = anotherPipeline ?? anotherGraph ?? (pipeline === undefined ? undefined : graph)
  if (extra !== undefined) throw extra.wrong(['kind'], 'a second graph begins here', 'Put one graph in a file.')
  const draft =
    pipeline !== undefined ? importSeldonPipeline(pipeline, ofKind('Model'), file) : graph !== undefined ? importKserveGraph(graph, file) : null
  if (draft === null) {
    const kinds = objects.map((object) => object.text('kind') ?? 'nothing').join(', ')
    throw invalidSwarm(file, [mistakeAt(`${file}:1:1`, `the file has ${kinds}, and no graph`, next)])
  }
  for (const object of objects)
    if (!['Pipeline', 'InferenceGraph', 'Model'].includes(object.text('kind') ?? ''))
      draft.note(object.place('kind'), `${object.text('kind') ?? 'this document'} has no equal`, advice[object.text('kind') ?? ''] ?? 'Leave it out.')
  return draft
}

/** The next step for each kind of document that is no graph. */
const advice: { readonly [kind: string]: string } = {
  InferenceService: 'Nothing: the service stays in the cluster, and the swarm calls it there.',
  Experiment: 'Split requests between versions of a model by spec.traffic of its bee.',
  Server: 'Nothing: the bee type decides what runs a model.',
}

function textOf(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalidSwarm(file, [mistakeAt(`${file}:1:1`, 'the file is not UTF-8', 'Save it as UTF-8.')])
  }
}
