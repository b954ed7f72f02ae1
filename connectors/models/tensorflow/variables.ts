import type { FlatGraph, FlatNode } from './function-inliner.ts'
import type { RawTensor } from './graph-schema.ts'
import { nodeOf } from './served-graph.ts'

/** For each variable's node, the key under which the graph restores the variable. */
export function restoredKeys({ nodes }: FlatGraph): ReadonlyMap<string, string> {
  const keys = new Map<string, string>()
  for (const { op, input } of nodes.values()) {
    if (op !== 'AssignVariableOp' && op !== 'Assign') continue
    const variable = sourceOf(nodes, input[0])
    const restored = sourceOf(nodes, input[1])
    const restore = nodes.get(nodeOf(restored))
    if (restore?.op !== 'RestoreV2') continue
    const names = nodes.get(sourceOf(nodes, restore.input[1]))?.attr.get('value')?.tensor?.stringVal ?? []
    const key = names[Number(restored.slice(restore.name.length + 1))]
    if (key !== undefined) keys.set(variable, Buffer.from(key).toString())
  }
  return keys
}

export function isVariable({ op }: FlatNode): boolean {
  return /^(VarHandleOp|Variable|VariableV2)$/.test(op)
}

/**
 * A node that works without variables. A variable becomes a constant, and a node that reads a variable becomes a node that reads a tensor. Any other
 * node is returned unchanged. `restored` returns the value of a variable.
 */
export function frozenNode(node: FlatNode, restored: (variable: FlatNode) => RawTensor): FlatNode {
  if (isVariable(node)) {
    const tensor = restored(node)
    return {
      ...node,
      op: 'Const',
      input: [],
      attr: new Map([
        ['value', { value: 'tensor', tensor }],
        ['dtype', { value: 'type', type: tensor.dtype }],
      ]),
    }
  }
  const op = readers.get(node.op)
  return op === undefined ? node : { ...node, op }
}

/** For each operator that reads a variable, the operator that does the same with a tensor. */
const readers: ReadonlyMap<string, string> = new Map([
  ['ReadVariableOp', 'Identity'],
  ['ResourceGather', 'Gather'],
  ['ResourceGatherNd', 'GatherNd'],
  ['VariableShape', 'Shape'],
])

/** Follows a reference back through nodes that only pass a value on. Returns the reference to the output that produces the value. */
function sourceOf(nodes: FlatGraph['nodes'], reference = ''): string {
  let at = reference
  for (let left = maxPassed; left > 0; left--) {
    const node = nodes.get(at)
    if (node?.op !== 'Identity') break
    at = node.input[0] ?? ''
  }
  return at
}

const maxPassed = 64
