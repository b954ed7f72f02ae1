import type { GraphNode, Topology } from './graph.ts'
import { parentsOf, type Subtopology } from './subtopology.ts'

/** A topology's description, for people and for tools. */
export interface TopologyDescription {
  /** Kafka Streams' text, character for character, so that its visualisers can read it. */
  toString(): string
  toMermaid(): string
  toJSON(): unknown
}

export function describe(topology: Topology): TopologyDescription {
  const subtopologies = topology.subtopologies()
  return {
    toString: () => `Topologies:\n ${subtopologies.map((one) => `  ${textOf(topology, one)}`).join('')}`,
    toMermaid: () => ['flowchart TD', ...subtopologies.map((one) => mermaidOf(one))].join('\n'),
    toJSON: () => ({ subtopologies: subtopologies.map((one) => jsonOf(topology, one)) }),
  }
}

/** A node with its neighbours. `size` counts the paths below the node. The size decides the order of the text. */
interface Described {
  readonly node: GraphNode
  size: number
  readonly above: SortedNodes
  readonly below: SortedNodes
}

function textOf(topology: Topology, { id, nodes, isGlobal }: Subtopology): string {
  const described = new Map<string, Described>(
    nodes.map((node) => [node.name, { node, size: 1, above: new SortedNodes(), below: new SortedNodes() }]),
  )
  for (const name of hashOrder([...described.keys()])) connect(described, name)
  const sorted = [...described.values()].sort(inOrder)
  const lines = sorted.map((one) => `    ${lineOf(topology, one)}\n`).join('')
  return isGlobal ? `Sub-topology: ${id} for global store (will not generate tasks)\n${lines}` : `Sub-topology: ${id}\n${lines}\n`
}

function connect(described: ReadonlyMap<string, Described>, name: string): void {
  const own = described.get(name)
  for (const parent of own === undefined ? [] : parentsOf(own.node)) {
    const above = described.get(parent)
    if (own === undefined || above === undefined) continue
    own.above.add(above)
    above.below.add(own)
    grow(above, own.size)
  }
}

function grow(node: Described, by: number): void {
  node.size += by
  for (const above of node.above.inOrder()) grow(above, by)
}

function inOrder(a: Described, b: Described): number {
  if (a.size !== b.size) return b.size - a.size
  return a.node.name < b.node.name ? -1 : 1
}

function lineOf(topology: Topology, { node, above, below }: Described): string {
  const to = `      --> ${namesOf(below)}`
  const from = `      <-- ${namesOf(above)}`
  if (node.kind === 'source') {
    const topics = node.pattern === null ? `[${hashOrder(node.topics).join(', ')}]` : node.pattern.source
    return `Source: ${node.name} (topics: ${topics})\n${to}`
  }
  if (node.kind === 'sink') {
    const where = typeof node.topic === 'string' ? `topic: ${node.topic}` : `extractor class: ${node.topic.name}`
    return `Sink: ${node.name} (${where})\n${from}`
  }
  return `Processor: ${node.name} (stores: [${hashOrder(topology.storesOf(node.name)).join(', ')}])\n${to}\n${from}`
}

function namesOf(nodes: SortedNodes): string {
  const names = [...nodes.inOrder()].map(({ node }) => node.name)
  return names.length === 0 ? 'none' : names.join(', ')
}

function mermaidOf({ id, nodes }: Subtopology): string {
  const shape = (node: GraphNode) => {
    if (node.kind === 'source') return `${node.name}[/"${node.topics.join(', ')}"/]`
    if (node.kind === 'sink') return `${node.name}[\\"${typeof node.topic === 'string' ? node.topic : 'by record'}"\\]`
    return `${node.name}["${node.name}"]`
  }
  const arrows = nodes.flatMap((node) => parentsOf(node).map((parent) => `    ${parent} --> ${node.name}`))
  return [`  subgraph sub-topology-${id}`, ...nodes.map((node) => `    ${shape(node)}`), ...arrows, '  end'].join('\n')
}

function jsonOf(topology: Topology, { id, nodes }: Subtopology): object {
  return {
    id,
    nodes: nodes.map((node) => ({
      name: node.name,
      type: node.kind === 'source' || node.kind === 'sink' ? node.kind : 'processor',
      parents: parentsOf(node),
      ...(node.kind === 'source' ? { topics: node.topics } : {}),
      ...(node.kind === 'sink' ? { topic: typeof node.topic === 'string' ? node.topic : null } : {}),
      ...(node.kind === 'source' || node.kind === 'sink' ? {} : { stores: topology.storesOf(node.name) }),
    })),
  }
}

/** Sorts names as a java.util.HashSet does. Kafka Streams prints and connects nodes in this order. */
function hashOrder(names: readonly string[]): readonly string[] {
  let capacity = 16
  while (names.length > capacity * 0.75) capacity *= 2
  const bucketOf = (name: string) => {
    let hash = 0
    for (let at = 0; at < name.length; at++) hash = (Math.imul(31, hash) + name.charCodeAt(at)) | 0
    return (hash ^ (hash >>> 16)) & (capacity - 1)
  }
  return names
    .map((name, at) => ({ name, bucket: bucketOf(name), at }))
    .sort((a, b) => a.bucket - b.bucket || a.at - b.at)
    .map(({ name }) => name)
}

interface Branch {
  readonly item: Described
  isRed: boolean
  left: Branch | null
  right: Branch | null
  parent: Branch | null
}

/**
 * Sorts nodes as java.util.TreeSet does, in a red-black tree. A node's size changes while nodes are connected, so the order depends on which nodes
 * were compared at which time. Only the same tree gives the same text as Kafka Streams.
 */
class SortedNodes {
  #root: Branch | null = null

  add(item: Described): void {
    let parent: Branch | null = null
    let before = false
    for (let at = this.#root; at !== null; at = before ? at.left : at.right) {
      parent = at
      before = inOrder(item, at.item) < 0
    }
    const branch: Branch = { item, isRed: true, left: null, right: null, parent }
    if (parent === null) this.#root = branch
    else if (before) parent.left = branch
    else parent.right = branch
    this.#balance(branch)
  }

  *inOrder(from: Branch | null = this.#root): IterableIterator<Described> {
    if (from === null) return
    yield* this.inOrder(from.left)
    yield from.item
    yield* this.inOrder(from.right)
  }

  /** Balances the tree after an insertion (Introduction to Algorithms, RB-INSERT-FIXUP). */
  #balance(inserted: Branch): void {
    let at = inserted
    while (at.parent?.isRed && at.parent.parent !== null) {
      const grand: Branch = at.parent.parent
      const isLeft = at.parent === grand.left
      const uncle = isLeft ? grand.right : grand.left
      if (uncle?.isRed) {
        at.parent.isRed = false
        uncle.isRed = false
        grand.isRed = true
        at = grand
        continue
      }
      if (at === (isLeft ? at.parent.right : at.parent.left)) {
        at = at.parent
        this.#rotate(at, isLeft)
      }
      if (at.parent !== null) at.parent.isRed = false
      grand.isRed = true
      this.#rotate(grand, !isLeft)
    }
    if (this.#root !== null) this.#root.isRed = false
  }

  #rotate(branch: Branch, toLeft: boolean): void {
    const up = toLeft ? branch.right : branch.left
    if (up === null) return
    const inner = toLeft ? up.left : up.right
    if (toLeft) branch.right = inner
    else branch.left = inner
    if (inner !== null) inner.parent = branch
    up.parent = branch.parent
    if (branch.parent === null) this.#root = up
    else if (branch.parent.left === branch) branch.parent.left = up
    else branch.parent.right = up
    if (toLeft) up.left = branch
    else up.right = branch
    branch.parent = up
  }
}
