import type { OpenProcess, ProcessParts } from '../topology/swarm/ports/processes.ts'
import { Answered } from '../topology/swarm/request/answered.ts'
import { WaggleError } from '../topology/waggle-error.ts'
import { type Bee, type BeeRequest, Responded } from './define-bee.ts'
import { outputOf, payloadOf, payloadOfInput } from './hosting/payload-input.ts'

/** A bee whose calls go to processes. */
export function processBee(open: OpenProcess): Bee<unknown, unknown> {
  return {
    get isReady() {
      return open.isReady
    },
    async processBatch(inputs, requests) {
      const parts = open.wantsParts === true ? await Promise.all(requests.map(partsOf)) : []
      const outcomes = await open.call(
        requests.map((request, at) => {
          const { id, contentType, deadline, signal } = request
          const own = parts[at]
          const call = { id, payload: payloadOfInput(inputs[at], contentType), deadline, signal, headers: () => request.headers }
          return own === undefined ? call : { ...call, parts: own }
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

async function partsOf(request: BeeRequest): Promise<ProcessParts> {
  const parts = await request.beginParts()
  return {
    get published() {
      return parts.published.map((part) => payloadOf(part, ''))
    },
    publish: (part, number) => parts.publish(outputOf(part), number),
  }
}
