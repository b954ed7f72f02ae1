import type { AsyncStep, AsyncWorker } from '../../topology/async-step.ts'
import type { AsyncNode, GraphNode } from '../../topology/graph.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** The workers of asynchronous nodes (models, processes, connections). Workers are opened once, and stay open while tasks come and go. */
export class OpenWorkers {
  readonly #workers: ReadonlyMap<string, AsyncWorker<unknown, unknown, unknown, unknown>>

  #closed: Promise<unknown> | null = null

  private constructor(workers: ReadonlyMap<string, AsyncWorker<unknown, unknown, unknown, unknown>>) {
    this.#workers = workers
  }

  static none(): OpenWorkers {
    return new OpenWorkers(new Map())
  }

  /**
   * Opens all workers at the same time. If a worker cannot be opened, the other workers are closed again. `opened` is called for each open worker.
   */
  static async open(all: Iterable<GraphNode>, opened: (node: string) => void = () => {}): Promise<OpenWorkers> {
    const nodes = [...all].filter((node): node is AsyncNode => node.kind === 'async')
    const results = await Promise.allSettled(
      nodes.map(async (node) => {
        const step = node.step as unknown as AsyncStep<unknown, unknown, unknown, unknown>
        const worker = await step.open()
        opened(node.name)
        return [node.name, worker] as const
      }),
    )
    const workers = new OpenWorkers(new Map(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed === undefined) return workers
    await workers.close()
    throw failed.reason
  }

  of(node: AsyncNode): AsyncWorker<unknown, unknown, unknown, unknown> {
    const worker = this.#workers.get(node.name)
    if (worker === undefined)
      throw new WaggleError('WAGGLE_INTERNAL', { message: `Nothing was opened for ${node.name}`, next: 'Report this as a bug.' })
    return worker
  }

  /** Closes the workers. A second call waits for the first. */
  async close(): Promise<void> {
    this.#closed ??= Promise.allSettled([...this.#workers.values()].map((worker) => worker.close?.()))
    await this.#closed
  }
}
