import type { OpenProcess } from '../topology/swarm/ports/processes.ts'
import { Answered } from '../topology/swarm/request/answered.ts'
import { WaggleError } from '../topology/waggle-error.ts'
import { type Bee, Responded } from './define-bee.ts'
import { outputOf, payloadOfInput } from './hosting/payload-input.ts'

/** A bee whose calls go to processes. */
export function processBee(open: OpenProcess): Bee<unknown, unknown> {
  return {
    async processBatch(inputs, requests) {
      const outcomes = await open.call(
        requests.map((request, at) => {
          const { id, contentType, deadline, signal } = request
          return { id, payload: payloadOfInput(inputs[at], contentType), deadline, signal, headers: () => request.headers }
        }),
      )
      return outcomes.map((outcome) => {
        if (outcome instanceof WaggleError) return outcome
        if (!(outcome instanceof Answered)) return outputOf(outcome)
        return new Responded(outputOf(outcome.answer), outcome.published === null ? null : { value: outputOf(outcome.published) })
      })
    },
    close: () => open.close(),
  }
}
