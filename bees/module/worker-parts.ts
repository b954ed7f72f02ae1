import type { BeeParts, BeeRequest } from '../define-bee.ts'
import { outputOf, payloadOf } from '../hosting/payload-input.ts'
import type { FromModule, ToModule } from './module-messages.ts'
import { sentError } from './sent-error.ts'

interface WorkerPartsOptions {
  readonly call: number
  readonly request: number
  readonly say: (message: ToModule) => void
}

/** Takes the parts that a module's thread publishes for one request, one after the other. */
export class WorkerParts {
  readonly #request: BeeRequest
  readonly #options: WorkerPartsOptions
  #parts: BeeParts | null = null
  #turn: Promise<void> = Promise.resolve()

  constructor(request: BeeRequest, options: WorkerPartsOptions) {
    this.#request = request
    this.#options = options
  }

  take(message: Extract<FromModule, { kind: 'begin' | 'part' }>): void {
    const { call, request, say } = this.#options
    this.#turn = this.#turn.then(async () => {
      try {
        say(await this.#answer(message))
      } catch (thrown) {
        say({ kind: 'no more', call, request, error: sentError(thrown) })
      }
    })
  }

  async #answer(message: Extract<FromModule, { kind: 'begin' | 'part' }>): Promise<ToModule> {
    const { call, request } = this.#options
    this.#parts ??= await this.#request.beginParts()
    if (message.kind === 'begin') {
      return { kind: 'published', call, request, parts: this.#parts.published.map((part) => payloadOf(part, '')) }
    }
    await this.#parts.publish(outputOf(message.part), message.number)
    return { kind: 'more', call, request }
  }
}
