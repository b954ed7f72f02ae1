import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { BeeParts } from '../define-bee.ts'
import { outputOf, payloadOf } from '../hosting/payload-input.ts'
import type { FromModule, ToModule } from './module-messages.ts'
import { receivedError } from './sent-error.ts'

type PartAnswer = Extract<ToModule, { kind: 'published' | 'more' | 'no more' }>

export interface ThreadPartsOptions {
  readonly bee: string
  readonly call: number
  /** The index of the request in the call. */
  readonly request: number
  /** The list of earlier parts that the request shows to the bee. */
  readonly earlier: unknown[]
  readonly say: (message: FromModule) => void
}

/** The parts of one request in a module's thread. The process accepts the parts, and tells the thread when more may follow. */
export class ThreadParts {
  readonly #options: ThreadPartsOptions
  readonly #asked: PromiseWithResolvers<PartAnswer>[] = []
  #begun: Promise<BeeParts> | null = null
  /** The number of the next part. A thread that replaces another thread counts from 0 again. */
  #next = 0

  constructor(options: ThreadPartsOptions) {
    this.#options = options
  }

  /** The parts of earlier runs. The list is empty until the parts begin. */
  get earlier(): readonly unknown[] {
    return this.#options.earlier
  }

  begin(): Promise<BeeParts> {
    this.#begun ??= this.#begin()
    return this.#begun
  }

  /** Takes the answer to the oldest question. Answers come in the order of the questions. */
  answered(answer: PartAnswer): void {
    this.#asked.shift()?.resolve(answer)
  }

  async #begin(): Promise<BeeParts> {
    const { bee, call, request, earlier } = this.#options
    const answer = await this.#ask({ kind: 'begin', call, request })
    const published: readonly Payload[] = answer.kind === 'published' ? answer.parts : []
    earlier.push(...published.map(outputOf))
    return {
      published: earlier,
      publish: async (part, number = this.#next) => {
        this.#next = number + 1
        await this.#ask({ kind: 'part', call, request, part: payloadOf(part, bee), number })
      },
    }
  }

  async #ask(question: FromModule): Promise<PartAnswer> {
    const asked = Promise.withResolvers<PartAnswer>()
    this.#asked.push(asked)
    this.#options.say(question)
    const answer = await asked.promise
    if (answer.kind === 'no more') throw receivedError(answer.error)
    return answer
  }
}

export function isPartAnswer(message: ToModule): message is PartAnswer {
  return message.kind === 'published' || message.kind === 'more' || message.kind === 'no more'
}
