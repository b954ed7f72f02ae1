import { type Capabilities, largestNeeds } from './capabilities.ts'
import type { GraphNode, SinkNode, SourceNode, Topology } from './graph.ts'
import type { StoreSpec } from './state-store.ts'
import { WaggleError } from './waggle-error.ts'

/** Nodes that pass records to each other as values. A task is one sub-topology for one partition number. */
export interface Subtopology {
  readonly id: number
  /** The nodes in the order in which they were added, parents before children. */
  readonly nodes: readonly GraphNode[]
  /** Topics that the sub-topology reads. */
  readonly sources: readonly string[]
  /** The topics that the sub-topology writes, except topics that a record chooses. */
  readonly sinks: readonly string[]
  readonly stores: readonly StoreSpec[]
  /** True for the sub-topology of a global store. Every process runs the whole sub-topology, without partitions. */
  readonly isGlobal: boolean
  /** The resources that a machine needs to run the sub-topology. The most demanding node decides. */
  readonly needs: Capabilities
}

export function subtopologiesOf(topology: Topology): readonly Subtopology[] {
  const groups = new Groups()
  for (const node of topology.nodes.values()) {
    groups.find(node.name)
    for (const parent of parentsOf(node)) groups.join(node.name, parent)
  }
  for (const store of topology.stores.keys()) {
    const [first, ...others] = topology.usersOf(store)
    if (first !== undefined) for (const other of others) groups.join(first, other)
  }
  const byRoot = new Map<string, GraphNode[]>()
  for (const node of topology.nodes.values()) {
    const root = groups.find(node.name)
    const members = byRoot.get(root)
    if (members === undefined) byRoot.set(root, [node])
    else members.push(node)
  }
  const storesByRoot = new Map<string, StoreSpec[]>()
  for (const store of topology.stores.values()) {
    const [user] = topology.usersOf(store.name)
    if (user === undefined) continue
    const root = groups.find(user)
    const members = storesByRoot.get(root)
    if (members === undefined) storesByRoot.set(root, [store])
    else members.push(store)
  }
  return [...byRoot].map(([root, nodes], id) => {
    const stores = storesByRoot.get(root) ?? []
    // An asynchronous node only reads its stores, so it is no state in front of the next one.
    const writers = nodes.filter(({ kind, name }) => kind !== 'async' && topology.storesOf(name).length > 0)
    refuseAsyncAfterState(nodes, new Set(writers.map(({ name }) => name)))
    return {
      id,
      nodes,
      sources: [...new Set(nodes.filter((node): node is SourceNode => node.kind === 'source').flatMap((node) => node.topics))],
      sinks: [
        ...new Set(
          nodes.filter((node): node is SinkNode => node.kind === 'sink').flatMap((node) => (typeof node.topic === 'string' ? [node.topic] : [])),
        ),
      ],
      stores,
      isGlobal: stores.some(({ name }) => topology.globalStores.has(name)),
      needs: largestNeeds(nodes.map(({ name }) => topology.needsOf(name))),
    }
  })
}

export function parentsOf(node: GraphNode): readonly string[] {
  return node.kind === 'source' ? [] : node.parents
}

/**
 * Refuses a node with state before an asynchronous one. After a crash, a record that was waiting in the asynchronous node is read again, and the
 * state would count it twice.
 */
function refuseAsyncAfterState(nodes: readonly GraphNode[], stateful: ReadonlySet<string>): void {
  /** For each node behind a node with state: the name of the node with state. */
  const stateBefore = new Map<string, string>()
  for (const node of nodes) {
    const before = parentsOf(node).flatMap((parent) => (stateful.has(parent) ? parent : (stateBefore.get(parent) ?? [])))[0]
    if (before === undefined) continue
    stateBefore.set(node.name, before)
    if (node.kind !== 'async') continue
    throw new WaggleError('WAGGLE_ASYNC_AFTER_STATE', {
      message: `${node.name} is asynchronous, but ${before} before it keeps state: after a crash, ${before} would count records twice`,
      next: `Repartition the stream between ${before} and ${node.name}.`,
    })
  }
}

class Groups {
  readonly #parent = new Map<string, string>()

  /** The root of a name's group. On the way to the root, every second name is attached to its grandparent, so that paths stay short. */
  find(name: string): string {
    let at = name
    for (;;) {
      const parent = this.#parent.get(at) ?? at
      const grandparent = this.#parent.get(parent) ?? parent
      this.#parent.set(at, grandparent)
      if (parent === grandparent) return parent
      at = grandparent
    }
  }

  join(a: string, b: string): void {
    this.#parent.set(this.find(a), this.find(b))
  }
}
