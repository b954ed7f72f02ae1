import { isAsyncIterable } from '../../topology/async-iterable.ts'
import type { AsyncCall } from '../../topology/async-step.ts'
import { headerText } from '../../topology/record.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { gatewayHeader } from '../../topology/swarm/request/headers.ts'
import { roundsText } from '../../topology/swarm/request/rounds.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { CallParts } from './call-parts.ts'
import type { HostOptions } from './host-options.ts'
import { outputOf } from './payload-input.ts'

/** The parts of a request's call. They begin only if the bee publishes a part. */
export class RequestParts {
  /** The parts of earlier runs, for the bee. The list is empty until `begin`. */
  readonly earlier: unknown[] = []
  readonly #begin: () => Promise<CallParts>
  readonly #signal: () => AbortSignal
  #begun: Promise<CallParts> | null = null

  constructor(begin: () => Promise<CallParts>, signal: () => AbortSignal) {
    this.#begin = begin
    this.#signal = signal
  }

  begin(): Promise<CallParts> {
    this.#begun ??= this.#begin().then((parts) => {
      this.earlier.push(...parts.published)
      return parts
    })
    return this.#begun
  }

  /**
   * The output of a bee. If the output is an async generator, publishes its parts, and returns its whole result. For a bee without parts, returns the
   * output at once.
   */
  outputOf(output: unknown): unknown {
    return this.#begun === null && output !== wholeOfParts && !isAsyncIterable(output) ? output : this.#outputAfterParts(output)
  }

  async #outputAfterParts(output: unknown): Promise<unknown> {
    if (!isAsyncIterable(output)) {
      await this.#finish()
      return output === wholeOfParts ? outputOf((await this.begin()).result()) : output
    }
    const parts = await this.begin()
    const returned = await publishAll(output, parts)
    await this.#finish()
    return returned === undefined ? outputOf(parts.result()) : returned
  }

  /** Ends the parts of a failed call. If the task has moved away, the call continues elsewhere, so its parts do not end. */
  async fail(): Promise<void> {
    if (this.#begun === null) return
    const signal = this.#signal()
    if (signal.aborted && !(signal.reason instanceof WaggleError && signal.reason.code === 'WAGGLE_TIMEOUT')) return
    // The call already has an error. An error of a log that accepts no records now must not replace it.
    await this.#begun.then((parts) => parts.fail()).catch(() => {})
  }

  async #finish(): Promise<void> {
    if (this.#begun !== null) await (await this.#begun).finish()
  }
}

/** The output of a bee in another thread that has published parts and has no other result. */
export const wholeOfParts = Symbol('the parts as one result')

/** Publishes the parts of an iterable, and returns the iterable's return value. */
export async function publishAll(
  output: AsyncIterable<unknown>,
  { publish }: { readonly publish: (part: unknown) => Promise<void> },
): Promise<unknown> {
  const iterator = output[Symbol.asyncIterator]()
  for (;;) {
    const step = await iterator.next()
    if (step.done === true) return step.value
    try {
      await publish(step.value)
    } catch (error) {
      await iterator.return?.()
      throw error
    }
  }
}

/** Makes the parts of a call. A bee whose type publishes no parts gets WAGGLE_INVALID_BEE at its first part. */
export function requestParts(
  bee: SwarmBee,
  { parts, redactPart, after }: Pick<HostOptions, 'parts' | 'redactPart' | 'after'>,
  call: Omit<AsyncCall<string>, 'value'>,
): RequestParts {
  const { key: id, headers, timestamp: since } = call
  const begin = async () => {
    if (bee.type.givesParts !== true)
      throw new WaggleError('WAGGLE_INVALID_BEE', {
        message: `The bee type ${bee.type.type} publishes parts, and does not say so`,
        next: 'Give its definition `givesParts: true`.',
      })
    return CallParts.begin({
      port: bee.shadows === undefined ? (parts ?? null) : null,
      call: { bee: bee.name, id, rounds: roundsText(headers), gateway: headerText(headers, gatewayHeader), since },
      redact: (part) => redactPart?.(bee, part) ?? part,
      signal: call.signal,
      after: (ms, act) => void after(ms, act),
    })
  }
  return new RequestParts(begin, () => call.signal)
}
