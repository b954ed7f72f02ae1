import type { GraphNode } from '../../topology/graph.ts'
import type { StateStore } from '../../topology/state-store.ts'
import { parentsOf, type Subtopology } from '../../topology/subtopology.ts'
import type { Ahead } from '../async/unfinished-entries.ts'
import { nameCode } from '../state/name-code.ts'
import { nearestAsync } from './async-paths.ts'
import { AsyncRuntime } from './async-runtime.ts'
import type { CurrentRecord } from './current-record.ts'
import { NodeContext } from './node-context.ts'
import { type NodeRuntime, ProcessorRuntime, SinkRuntime, SourceRuntime } from './node-runtime.ts'
import { type OperatorProcessor, operatorProcessor } from './operator-processor.ts'
import { maxEntriesOf } from './position-note.ts'
import type { TaskSurroundings } from './task-surroundings.ts'
import type { TaskView } from './task-view.ts'

export interface TaskNodesOptions {
  readonly subtopology: Subtopology
  readonly task: TaskView
  readonly surroundings: TaskSurroundings
  readonly current: CurrentRecord
  /** The last commit's notes on asynchronous nodes, by queue. */
  readonly aheads: readonly (Ahead | null)[]
  storesOf(node: string): ReadonlyMap<string, StateStore>
  /** Called when an asynchronous node has an outcome that may be forwarded. */
  readonly onOutcome: () => void
}

/** A task's nodes, opened and connected as in its sub-topology. Throws the error of a node's `init`. */
export class TaskNodes {
  readonly all: readonly NodeRuntime[]
  /** Asynchronous nodes in the order of the graph. */
  readonly async: readonly AsyncRuntime[]
  readonly #options: TaskNodesOptions
  readonly #contexts = new Map<string, NodeContext>()
  readonly #children = new Map<string, NodeRuntime[]>()

  constructor(options: TaskNodesOptions) {
    this.#options = options
    const { subtopology, task } = options
    for (const { name } of subtopology.nodes) {
      const context = new NodeContext(name, task, options.storesOf(name))
      const below: NodeRuntime[] = []
      context.children = below
      this.#contexts.set(name, context)
      this.#children.set(name, below)
    }
    const async = this.#openAsync()
    this.async = subtopology.nodes.flatMap(({ name }) => async.get(name) ?? [])
    this.all = this.#open(async)
    if (async.size > 0) {
      const nearest = nearestAsync(subtopology.nodes)
      for (const context of this.#contexts.values())
        context.leads = context.children.filter(({ name }) => async.has(name) || nearest.get(name)?.length)
    }
    for (const node of this.all) if (node instanceof ProcessorRuntime && this.#children.get(node.name)?.length === 0) node.endsWith(task.meters)
  }

  source(name: string): SourceRuntime | null {
    return this.all.find((node): node is SourceRuntime => node instanceof SourceRuntime && node.name === name) ?? null
  }

  close(): void {
    for (const node of this.all) node.close()
  }

  #open(async: ReadonlyMap<string, AsyncRuntime>): readonly NodeRuntime[] {
    return this.#options.subtopology.nodes.flatMap((node) => {
      const context = this.#contexts.get(node.name)
      if (context === undefined) return []
      const runtime = async.get(node.name) ?? this.#runtime(node, context)
      for (const parent of parentsOf(node)) this.#children.get(parent)?.push(runtime)
      return [runtime]
    })
  }

  /** Opens nodes from the last to the first, because each node needs its children. */
  #openAsync(): ReadonlyMap<string, AsyncRuntime> {
    const { subtopology, surroundings, current, aheads, onOutcome } = this.#options
    const { nodes } = subtopology
    const nearest = nearestAsync(nodes)
    const made = new Map<string, AsyncRuntime>()
    const slots = maxEntriesOf(nodes.filter(({ kind }) => kind === 'async').length)
    for (const node of nodes.toReversed()) {
      const context = this.#contexts.get(node.name)
      if (node.kind !== 'async' || context === undefined) continue
      const below = (nearest.get(node.name) ?? []).flatMap((name) => made.get(name) ?? [])
      const runtime = new AsyncRuntime(node, { context, surroundings, current, below, slots, onOutcome })
      for (const [index, ahead] of aheads.entries()) {
        const unfinished = ahead?.nodes.find(([code]) => code === nameCode(node.name))?.[1]
        if (unfinished !== undefined) runtime.resume(index, unfinished)
      }
      made.set(node.name, runtime)
    }
    return made
  }

  #runtime(node: GraphNode, context: NodeContext): NodeRuntime {
    const { task, surroundings, current } = this.#options
    switch (node.kind) {
      case 'source':
        return new SourceRuntime(node, context, task.meters)
      case 'sink':
        return new SinkRuntime(node, surroundings, current, task.failures, task.meters)
      case 'async':
        throw new Error('An asynchronous node is made before the others')
      case 'operator':
        return new ProcessorRuntime(node, operatorProcessor(node.operator), context, task.memory)
      case 'processor':
        return new ProcessorRuntime(node, (node.supplier as () => OperatorProcessor)(), context, task.memory)
    }
  }
}
