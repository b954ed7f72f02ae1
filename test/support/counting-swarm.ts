import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'

/** Writes a swarm that counts the payments of each card by DSL steps. Its gateway has the swarm's name. Returns the path of the file. */
export function writeCountingSwarm(directory: string, name = 'cards'): string {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'swarm.yaml')
  writeFileSync(file, swarmOf(name))
  writeFileSync(join(directory, 'count-by-card.ts'), steps)
  return file
}

/**
 * Sends a payment, and returns the status and the answer. On a busy machine the gateway may refuse for a moment (503). The payment is then sent
 * again.
 */
export async function paid({ ready }: MeasuredProgram, body: object, gateway = 'cards'): Promise<readonly [number, unknown]> {
  const init = { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  for (;;) {
    const response = await fetch(`${ready.gateway}/v1/gateways/${gateway}/request`, init)
    const answer: unknown = await response.json()
    if (response.status !== 503) return [response.status, answer]
  }
}

const swarmOf = (name: string) => `name: ${name}
bees:
  - {name: input, type: gateway-input, spec: {name: ${name}}}
  - {name: counts, type: streams, input: {name: input}, spec: {file: ./count-by-card.ts}}
  - {name: answer, type: respond, input: {name: counts}}
`

/** The value contains the request id, because the card is the key of the count. */
const steps = `import { Grouped, Materialized } from 'waggle-streams'

export default {
  connect: (input) =>
    input
      .map((id, { card }) => {
        if (card === undefined) throw new Error('A payment has a card')
        return [card, id]
      })
      .groupByKey(Grouped.as('by-card'))
      .aggregate(
        () => ({ id: '', count: 0 }),
        (_, id, { count }) => ({ id, count: count + 1 }),
        Materialized.as('payments-by-card'),
      )
      .toStream()
      .map((card, { id, count }) => [id, { card, count }]),
}
`
