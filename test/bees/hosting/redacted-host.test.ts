import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { redactedHost } from '../../../bees/hosting/redacted-host.ts'
import type { BeeHost } from '../../../topology/swarm/bee-host.ts'
import type { SwarmBee } from '../../../topology/swarm/checked-swarm.ts'
import { Redaction } from '../../../topology/swarm/secrets/redaction.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const token = 'hunter2-of-the-token'
const redaction = new Redaction(new Map([['secrets.TOKEN', token]]))
const bee = {} as SwarmBee

function refused(): never {
  throw new WaggleError('WAGGLE_BEE_OUTPUT', { message: `no ${token}`, next: 'Go on.' })
}

/** A host whose stream bee repeats its secret. */
const telling: BeeHost = {
  open: refused,
  valueOf: refused,
  batchOf: () => null,
  streamOf: () => ({
    connect: refused,
    inputOf: () => null,
    payloadOf: (output) => (output === null ? refused() : { kind: 'json', json: { output, token } }),
  }),
}

describe('A bee whose spec has a secret', () => {
  it('shows the secret’s name instead of its value in the result of a map', async () => {
    await using swarm = await SwarmHere.open(
      { WAGGLE_SECRET_TOKEN: token },
      {
        bees: `  - {name: shape, type: map, input: {name: entrance}, spec: {expression: "{a: 'Bearer {{ secrets.TOKEN }}', b: b}"}}
  - {name: answer, type: respond, input: {name: shape}}`,
      },
    )
    assert.deepEqual(await (await swarm.ask({ b: 1 })).json(), { a: 'Bearer {{ secrets.TOKEN }}', b: 1 })
  })

  it('passes an input unchanged if a filter only compares the input with the secret', async () => {
    await using swarm = await SwarmHere.open(
      { WAGGLE_SECRET_TOKEN: token },
      {
        bees: `  - {name: known, type: filter, input: {name: entrance}, spec: {condition: "key == '{{ secrets.TOKEN }}'"}}
  - {name: answer, type: respond, input: {name: known}}`,
      },
    )
    assert.deepEqual(await (await swarm.ask({ key: token })).json(), { key: token })
    const refusal = await swarm.ask({ key: 'other' })
    assert.deepEqual([refusal.status, (await refusal.text()).includes(token)], [422, false])
  })

  it('shows the secret’s name instead of its value in results and errors of a stream bee', () => {
    const stream = redactedHost(telling, { errors: redaction, resultsOf: () => redaction }).streamOf(bee)
    assert.deepEqual(stream.payloadOf(1), { kind: 'json', json: { output: 1, token: '{{ secrets.TOKEN }}' } })
    assert.throws(() => stream.payloadOf(null), { code: 'WAGGLE_BEE_OUTPUT', message: 'no {{ secrets.TOKEN }}' })
    assert.throws(() => stream.connect({} as never, {} as never), { message: 'no {{ secrets.TOKEN }}' })
  })

  it('leaves the results of another bee unchanged', () => {
    const stream = redactedHost(telling, { errors: redaction, resultsOf: () => null }).streamOf(bee)
    assert.deepEqual(stream.payloadOf(1), { kind: 'json', json: { output: 1, token } })
  })
})
