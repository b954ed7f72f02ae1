import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Gateway } from 'waggle-streams/client'
import { textOf } from '../../../ops/cli/trace.ts'
import type { PageSwarmState } from '../../../topology/swarm/page.ts'
import type { RequestTrace } from '../../../topology/swarm/request/request-trace.ts'
import { patient } from '../../support/patient.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const bees = `  - {name: chat, type: module, input: {name: entrance}, spec: {file: ./chat.mjs}}
  - {name: quiet, type: module, input: {name: chat}, spec: {file: ./quiet.mjs}}
  - {name: answer, type: respond, input: {name: quiet}}`
const files = {
  'chat.mjs': 'export default async function* ({ words }) { yield* words }',
  'quiet.mjs': 'export default (text) => text',
}

it('The parts of a bee are in its metrics, in the state that the page shows, and in the trace of their request', async () => {
  await using here = await SwarmHere.open({}, { bees, files })
  const gateway = new Gateway(here.url)
  let id = ''
  for (const words of [['a', 'bb', 'ccc'], ['é']])
    for await (const event of gateway.stream({ words }, { gateway: here.name })) if (event.kind === 'answer' && words.length > 1) id = event.requestId

  const metrics = await (await fetch(`${here.url}/metrics`)).text()
  const of = (name: string) => new RegExp(`^${name}\\{swarm="[^"]+",bee="chat"\\} (\\d+)$`, 'm').exec(metrics)?.[1]
  // A part is JSON in UTF-8: each text has two quotation marks.
  assert.deepEqual([of('waggle_bee_parts_total'), of('waggle_bee_part_bytes_total')], ['4', String(3 + 4 + 5 + 4)])
  assert.doesNotMatch(metrics, /^waggle_bee_parts_total\{.*bee="quiet"/m)

  const trace = (await (await patient(() => fetch(`${here.url}/v1/requests/${id}/trace`))).json()) as RequestTrace
  const [chat, quiet] = ['chat', 'quiet'].map((bee) => trace.steps.find((step) => step.bee === bee))
  assert.equal(chat?.parts?.count, 3)
  const { first_at } = chat.parts
  assert.ok(chat.started_at !== null && first_at >= chat.started_at, `${first_at} is before ${chat.started_at}`)
  assert.equal(quiet?.parts, undefined)
  assert.match(textOf(trace), new RegExp(`chat .*3 parts, the first at \\+${first_at - (trace.accepted_at ?? 0)} ms`))

  const state = (await (await fetch(`${here.url}/v1/live/${trace.swarm}`)).json()) as PageSwarmState
  assert.deepEqual(state.parts, [{ bee: 'chat', parts: 4, bytes: 16 }])
})
