import type { OpenModel } from '../../topology/swarm/ports/models.ts'
import type { Replicas } from '../replicas/replicas.ts'

/** A model in several threads, each with a copy of it, that compute side by side. */
export class ReplicatedModel implements OpenModel {
  readonly #replicas: Replicas<OpenModel>
  /** The replica that is closed last. It describes the model, also while that is closing. */
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
