import type { OpenModel } from '../../topology/swarm/ports/models.ts'
import type { Replicas } from '../replicas/replicas.ts'

/** A model in several threads, each with a copy of it, that compute side by side. */
export class ReplicatedModel implements OpenModel {
  readonly #replicas: Replicas<OpenModel>

  constructor(replicas: Replicas<OpenModel>) {
    this.#replicas = replicas
  }

  get signature(): OpenModel['signature'] {
    return this.#replicas.first.signature
  }

  get device(): string {
    return this.#replicas.first.device
  }

  get choice(): string | null {
    return this.#replicas.first.choice
  }

  run(...call: Parameters<OpenModel['run']>): ReturnType<OpenModel['run']> {
    return this.#replicas.call(call[0].length, (model) => model.run(...call))
  }

  close(): Promise<void> {
    return this.#replicas.close()
  }
}
