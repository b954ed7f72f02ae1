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
  it('gives no result with the secret if it is a map', async () => {
    await using swarm = await SwarmHere.open(
      { WAGGLE_SECRET_TOKEN: token },
      {
        bees: `  - {name: shape, type: map, input: {name: entrance}, spec: {expression: "{a: 'Bearer {{ secrets.TOKEN }}', b: b}"}}
  - {name: answer, type: respond, input: {name: shape}}`,
      },
    )
    assert.deepEqual(await (await swarm.ask({ b: 1 })).json(), { a: 'Bearer {{ secrets.TOKEN }}', b: 1 })
  })

  it('passes an input on as it came if it only compares it with the secret', async () => {
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

  it('gives no result and no error with the secret if it is a stream', () => {
    const stream = redactedHost(telling, { errors: redaction, resultsOf: () => redaction }).streamOf(bee)
    assert.deepEqual(stream.payloadOf(1), { kind: 'json', json: { output: 1, token: '{{ secrets.TOKEN }}' } })
    assert.throws(() => stream.payloadOf(null), { code: 'WAGGLE_BEE_OUTPUT', message: 'no {{ secrets.TOKEN }}' })
    assert.throws(() => stream.connect({} as never, {} as never), { message: 'no {{ secrets.TOKEN }}' })
  })

  it('gives its results as they are if it is another bee than that with the secret', () => {
    const stream = redactedHost(telling, { errors: redaction, resultsOf: () => null }).streamOf(bee)
    assert.deepEqual(stream.payloadOf(1), { kind: 'json', json: { output: 1, token } })
  })
})
