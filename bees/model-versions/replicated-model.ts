import type { OpenModel } from '../../topology/swarm/ports/models.ts'
import type { Replicas } from '../replicas/replicas.ts'

/** A model in several threads that compute concurrently. Each thread has its own copy of the model. */
export class ReplicatedModel implements OpenModel {
  readonly #replicas: Replicas<OpenModel>
  /** The replica that was opened first and closes last. It answers questions about the model even while the model closes. */
  readonly #first: OpenModel

  constructor(replicas: Replicas<OpenModel>) {
    this.#replicas = replicas
    this.#first = replicas.first
  }

  get signature(): OpenModel['signature'] {
    return this.#first.signature
  }

  get device(): string {
    return this.#first.device
  }

  get choice(): string | null {
    return this.#first.choice
  }

  run(...call: Parameters<OpenModel['run']>): ReturnType<OpenModel['run']> {
    return this.#replicas.call(call[0].length, (model) => model.run(...call))
  }

  close(): Promise<void> {
    return this.#replicas.close()
  }
}
