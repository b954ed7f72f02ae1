import type { GraphNode } from '../../topology/graph.ts'
import { parentsOf } from '../../topology/subtopology.ts'

/** For each node, the asynchronous nodes that its records reach first. */
export function nearestAsync(nodes: readonly GraphNode[]): ReadonlyMap<string, readonly string[]> {
  const nearest = new Map<string, string[]>(nodes.map(({ name }) => [name, []]))
  // The loop visits children before their parents.
  for (const node of nodes.toReversed()) {
    const found = node.kind === 'async' ? [node.name] : (nearest.get(node.name) ?? [])
    for (const parent of parentsOf(node)) {
      const known = nearest.get(parent)
      for (const name of found) if (known !== undefined && !known.includes(name)) known.push(name)
    }
  }
  return nearest
}
