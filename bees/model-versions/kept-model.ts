import type { OpenModel } from '../../topology/swarm/ports/models.ts'
import type { KeptFiles } from './kept-files.ts'

/** An open model that keeps its files on this disk until it is closed. If the thread of the model dies, a new thread reads the files again. */
export class KeptModel implements OpenModel {
  readonly #model: OpenModel
  readonly #files: KeptFiles

  constructor(model: OpenModel, files: KeptFiles) {
    this.#model = model
    this.#files = files
  }

  get signature(): OpenModel['signature'] {
    return this.#model.signature
  }

  get device(): string {
    return this.#model.device
  }

  get choice(): string | null {
    return this.#model.choice
  }

  run(...call: Parameters<OpenModel['run']>): ReturnType<OpenModel['run']> {
    return this.#model.run(...call)
  }

  async close(): Promise<void> {
    try {
      await this.#model.close()
    } finally {
      this.#files.end()
    }
  }
}
