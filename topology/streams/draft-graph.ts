import { WaggleError } from '../waggle-error.ts'
import { repartitionStep } from './repartition.ts'
import type { LogicalNode } from './streams-graph.ts'

interface DraftNode {
  readonly node: LogicalNode
  /**
   * For each output that the step reads in the user's program, the output that the step reads after merging. The two differ if steps have been
   * merged.
   */
  readonly parents: Map<string, string>
}

/** The steps of a program while they are rearranged. The steps end in Kafka Streams' order, so that topics get the same names. */
export class DraftGraph {
  #nodes: DraftNode[]

  constructor(nodes: readonly LogicalNode[]) {
    this.#nodes = nodes.map((node) => ({ node, parents: new Map(node.inputs.map((input) => [input, input])) }))
  }

  get nodes(): readonly DraftNode[] {
    return this.#nodes
  }

  /** Merges all streams of the same topics into one source. Refuses topics that overlap without being equal. */
  mergeSources(): void {
    const readers = new Map<string, LogicalNode>()
    for (const { node } of [...this.#nodes]) {
      if (node.source === undefined) continue
      const topics = topicsOf(node)
      const same = topics.map((topic) => readers.get(topic)).find((reader) => reader !== undefined)
      if (same === undefined) {
        for (const topic of topics) readers.set(topic, node)
        continue
      }
      if (topicsOf(same).toSorted().join() !== topics.toSorted().join()) {
        throw mistake(
          `${same.output} and ${node.output} read overlapping topics that are not the same: ${topicsOf(same)} and ${topics}`,
          'Read each topic by itself, and merge the streams.',
        )
      }
      if (JSON.stringify(same.source?.offsetReset) !== JSON.stringify(node.source.offsetReset)) {
        throw mistake(`${same.output} and ${node.output} read ${topics} from different places`, 'Give both the same offsetReset.')
      }
      this.#remove(node)
      this.#replaceParent(node.output, same.output)
    }
  }

  /** Merges the repartition topics that follow one change of keys. The merged topic comes right after the change. */
  mergeRepartitions(newName: (prefix: string) => string): void {
    for (const [changer, repartitions] of this.#repartitionsByChange()) {
      const [first] = repartitions
      if (first?.repartition === undefined) continue
      const serdes = {
        key: repartitions.find(({ repartition }) => repartition?.key)?.repartition?.key ?? null,
        value: repartitions.find(({ repartition }) => repartition?.value)?.repartition?.value ?? null,
      }
      const merged = repartitionStep(newName, changer.output, first.repartition.topic, { ...serdes, partitioner: null, partitions: null })
      const at = this.#nodes.findIndex(({ node }) => node === changer)
      this.#nodes.splice(at + 1, 0, { node: merged, parents: new Map([[changer.output, changer.output]]) })
      for (const replaced of repartitions) {
        const draft = this.#draftOf(replaced)
        const child = this.#above(replaced, ({ parents }) => [...parents.values()].includes(changer.output))
        const [above] = child === draft ? [merged.output] : (draft?.parents.values() ?? [])
        this.#remove(replaced)
        if (above !== undefined) this.#replaceParent(replaced.output, above)
        // This statement comes last, because the merged topic may have the name of a topic that it replaces.
        if (child !== null && child !== draft) replaceValue(child.parents, changer.output, merged.output)
      }
    }
  }

  /** The outputs that lead to a join that relaxes null keys. The loop goes backwards, because parents come before their children. */
  wantingNullKeys(): ReadonlySet<string> {
    const wanting = new Set<string>()
    for (const { node, parents } of [...this.#nodes].reverse()) {
      if (node.relaxesNullKeys || wanting.has(node.output)) for (const parent of parents.values()) wanting.add(parent)
    }
    return wanting
  }

  /**
   * For each change of keys, the repartitions that it causes. If several changes lead into one merge, the repartitions after the merge belong to the
   * merge.
   */
  #repartitionsByChange(): ReadonlyMap<LogicalNode, readonly LogicalNode[]> {
    const byChange = new Map<LogicalNode, LogicalNode[]>()
    for (const { node } of this.#nodes) {
      if (node.changes?.key) byChange.set(node, [])
      else if (node.repartition !== undefined) {
        const changed = this.#above(node, (above) => Boolean(above.node.changes?.key || above.node.changes?.value))
        if (changed?.node.changes?.key) byChange.get(changed.node)?.push(node)
      }
    }
    const merged: [LogicalNode, LogicalNode[]][] = []
    const gone = new Set<LogicalNode>()
    for (const { node: merge } of this.#nodes) {
      if (!merge.isMerge) continue
      const below = [...byChange].filter(
        ([changer, repartitions]) =>
          repartitions.every((one) => this.#above(one, ({ parents }) => [...parents.values()].includes(merge.output)) !== null) &&
          this.#above(merge, ({ parents }) => [...parents.values()].includes(changer.output)) !== null,
      )
      merged.push([merge, [...new Set(below.flatMap(([, repartitions]) => repartitions))]])
      for (const [changer] of below) gone.add(changer)
    }
    for (const [merge, repartitions] of merged) byChange.set(merge, repartitions)
    for (const changer of gone) byChange.delete(changer)
    return byChange
  }

  /** The nearest step above `node` (or `node` itself) for which `holds` returns true. The first parent is searched first. */
  #above(node: LogicalNode, holds: (draft: DraftNode) => boolean): DraftNode | null {
    const draft = this.#draftOf(node)
    if (draft === undefined || holds(draft)) return draft ?? null
    for (const parent of draft.parents.values()) {
      const above = this.#nodes.find((one) => one.node.output === parent)
      const found = above === undefined ? null : this.#above(above.node, holds)
      if (found !== null) return found
    }
    return null
  }

  #draftOf(node: LogicalNode): DraftNode | undefined {
    return this.#nodes.find((draft) => draft.node === node)
  }

  #remove(node: LogicalNode): void {
    this.#nodes = this.#nodes.filter((draft) => draft.node !== node)
  }

  #replaceParent(from: string, to: string): void {
    for (const { parents } of this.#nodes) replaceValue(parents, from, to)
  }
}

function replaceValue(parents: Map<string, string>, from: string, to: string): void {
  for (const [written, parent] of [...parents]) {
    if (parent !== from) continue
    // The entry is deleted first, so that it moves to the end, as if the parent had been added last.
    parents.delete(written)
    parents.set(written, to)
  }
}

function topicsOf({ source }: LogicalNode): readonly string[] {
  const topics = source?.topics ?? []
  if (topics instanceof RegExp) return [String(topics)]
  return typeof topics === 'string' ? [topics] : topics
}

function mistake(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_INVALID_TOPOLOGY', { message, next })
}
