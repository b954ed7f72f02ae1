import { WaggleError } from '../waggle-error.ts'
import type { LogicalNode } from './streams-graph.ts'

/**
 * Refuses a join of repartition topics with different numbers of partitions, because a key would be in different partitions on the two sides. If a
 * topic's number of partitions is not known yet, the topics are compared when the application starts.
 */
export function refuseUnevenRepartitions(nodes: readonly LogicalNode[]): void {
  const byOutput = new Map(nodes.map((node) => [node.output, node]))
  for (const { copartitioned } of nodes) {
    if (copartitioned === undefined) continue
    const topics = new Map([...topicsAbove(copartitioned, byOutput)])
    const sizes = new Set(topics.values())
    if (sizes.size <= 1 || sizes.has(null)) continue
    throw new WaggleError('WAGGLE_NOT_COPARTITIONED', {
      message: `Repartition topics that are joined must have the same number of partitions: ${[...topics].map(([topic, size]) => `${topic} has ${size}`).join(', ')}`,
      next: 'Give these topics the same numberOfPartitions.',
    })
  }
}

/** The topics from which these outputs come, each with the number of partitions that the user chose; null if that number is not known. */
function* topicsAbove(outputs: readonly string[], byOutput: ReadonlyMap<string, LogicalNode>): Iterable<[string, number | null]> {
  for (const output of outputs) {
    const node = byOutput.get(output)
    if (node?.ownTopic !== undefined) yield [node.ownTopic.name, node.ownTopic.partitions]
    else if (node === undefined || node.inputs.length === 0) yield [output, null]
    else yield* topicsAbove(node.inputs, byOutput)
  }
}
