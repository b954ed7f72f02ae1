import { WaggleError } from '../../../topology/waggle-error.ts'
import { refuseForeignFile } from '../foreign-file.ts'
import { type FlatNode, inlinedGraph } from './function-inliner.ts'
import { dataTypes, decoded, type RawGraph, sizesOf } from './graph-schema.ts'
import { invalidModel } from './invalid-model.ts'
import { readRegularFile } from './regular-file.ts'
import { nodeOf, type ServedGraph, servedGraph } from './served-graph.ts'
import { maxModelBytes } from './tensor-size.ts'
import { isVariable } from './variables.ts'

/**
 * Reads a frozen `GraphDef` (.pb). Its placeholders are the inputs. The nodes that no other node reads are the outputs. Throws WAGGLE_MODEL_INVALID.
 */
export function readFrozenGraph(path: string): ServedGraph {
  const graph = graphOf(path)
  if (graph.node.length === 0) throw invalidModel(path, 'it holds no graph')
  const flat = inlinedGraph(path, graph)
  const nodes = [...flat.nodes.values()]
  if (nodes.some(isVariable)) {
    throw invalidModel(path, 'it has variables, whose values lie in files beside it', {
      next: 'Name the whole SavedModel folder, or freeze the graph’s variables into constants (docs/models.md).',
    })
  }
  const read = new Set(nodes.flatMap(({ input }) => input.map(nodeOf)))
  const ends = nodes.filter(({ name, op }) => !read.has(name) && !silent.has(op))
  if (ends.length === 0) throw invalidModel(path, 'it holds no graph with an output')
  return servedGraph(path, flat, {
    inputs: nodes
      .filter(({ op }) => op === 'Placeholder')
      .map(({ name, attr }) => ({ name, node: name, dtype: attr.get('dtype')?.type ?? dataTypes.float, shape: sizesOf(attr.get('shape')?.shape) })),
    outputs: ends.map((node) => ({ name: outputName(node), reference: outputName(node) })),
    freeze: (node) => node,
  })
}

const silent: ReadonlySet<string> = new Set(['Const', 'NoOp', 'Assert', 'Placeholder'])

function graphOf(path: string): RawGraph {
  let bytes: Buffer
  try {
    bytes = readRegularFile(path, maxModelBytes)
  } catch (cause) {
    if (cause instanceof RangeError) throw invalidModel(path, cause.message, { cause })
    throw new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
      message: `There is no model at ${path}`,
      next: 'Correct the path, or the resolve: map that gives it.',
      cause,
    })
  }
  refuseForeignFile(path, 'tensorflow')
  try {
    return decoded('GraphDef', bytes)
  } catch (cause) {
    throw invalidModel(path, cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** The name that the author gave to an output. Freezing adds a node such as `Identity_2` after the named node. */
function outputName({ name, op, input }: FlatNode): string {
  const source = input[0]
  return op === 'Identity' && /^Identity(_\d+)?$/.test(name) && source !== undefined ? nodeOf(source) : name
}
