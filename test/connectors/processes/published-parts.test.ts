import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import type { ProcessParts } from '../../../topology/swarm/ports/processes.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { call, json, onSocket, openScript, scriptFolder } from '../../support/bee-script.ts'

/** Stores the parts of a call, as the log would. */
class KeptParts implements ProcessParts {
  readonly published: Payload[]

  constructor(...published: readonly Payload[]) {
    this.published = [...published]
  }

  async publish(part: Payload, number: number): Promise<void> {
    if (number < this.published.length) assert.deepEqual(part, this.published[number])
    else this.published.push(part)
    if (this.published.length > 5) throw new WaggleError('WAGGLE_TOO_MANY_PARTS', { message: 'more than 5 parts', next: 'Fewer.' })
  }
}

const hello = { waggle: 1, wants: ['parts', 'cancel'] }

describe('A process that publishes parts', () => {
  const folder = scriptFolder()

  it('publishes each part in order, and then its result', async () => {
    const body = `for (let number = 0; number < json; number++) write({ part: id, number, json: 'part ' + number })
      write({ id, json: 'all' })`
    const open = await openScript(folder.file(onSocket(hello, body)))
    const parts = new KeptParts()
    assert.deepEqual([open.wantsParts, await call(open, 3, { parts })], [true, json('all')])
    assert.deepEqual(parts.published, [json('part 0'), json('part 1'), json('part 2')])
    await open.close()
  })

  it('gets the parts of an earlier run with its request', async () => {
    const open = await openScript(folder.file(onSocket(hello, 'write({ id, json: message.published ?? null })')))
    assert.deepEqual(await call(open, 1, { parts: new KeptParts() }), json(null))
    const earlier = new KeptParts(json('a'), { kind: 'bytes', contentType: 'image/x', bytes: Uint8Array.of(1) })
    assert.deepEqual(
      await call(open, 1, { parts: earlier }),
      json([
        { content_type: 'application/json', json: 'a' },
        { content_type: 'image/x', base64: 'AQ==' },
      ]),
    )
    await open.close()
  })

  it('gives the same parts again after it has died, and then continues', async () => {
    const file = folder.file(
      onSocket(
        hello,
        `write({ part: id, number: 0, json: 'a' }); if (message.attempt === 1) setTimeout(() => process.exit(3), 50)
      else { write({ part: id, number: 1, json: 'b' }); write({ id, json: message.published.length }) }`,
      ),
    )
    const open = await openScript(file)
    const parts = new KeptParts()
    assert.deepEqual(await call(open, 1, { parts }), json(1))
    assert.deepEqual(parts.published, [json('a'), json('b')])
    await open.close()
  })

  it('loses only the request whose part cannot be published, and gets a cancellation for that request', async () => {
    const body = `if (message.cancel !== undefined) { write({ id: message.cancel, cancelled: true }); continue }
      for (let number = 0; number < json; number++) write({ part: id, number, json: number })
      if (json < 5) write({ id, json: 'all' })`
    const lines: string[] = []
    const open = await openScript(folder.file(onSocket(hello, body)), { lines })
    const outcome = await call(open, 8, { parts: new KeptParts() })
    assert.ok(outcome instanceof WaggleError)
    assert.equal(outcome.code, 'WAGGLE_TOO_MANY_PARTS')
    assert.deepEqual(await call(open, 2, { parts: new KeptParts() }), json('all'))
    await open.close()
    assert.deepEqual(lines, [])
  })

  const wrong: { readonly [what: string]: { readonly body: string; readonly said: RegExp } } = {
    'a part of a request that was never sent': {
      body: 'write({ part: 77, number: 0, json: 1 })',
      said: /a part of request 77, which no open request has/,
    },
    'a part whose number is not a count': { body: 'write({ part: id, number: -1, json: 1 })', said: /whose number is no count/ },
  }
  for (const [what, { body, said }] of Object.entries(wrong))
    it(`is stopped at ${what}`, async () => {
      const lines: string[] = []
      const open = await openScript(folder.file(onSocket(hello, body)), { lines })
      const outcome = await call(open, 1, { parts: new KeptParts() })
      assert.ok(outcome instanceof WaggleError)
      assert.match(lines.join('\n'), said)
      await open.close()
    })

  for (const [what, body] of Object.entries({
    'a part without a value': 'write({ part: id, number: 0 })',
    'a part that its hello does not announce': 'write({ part: id, number: 0, json: 1 })',
  }))
    it(`fails only the affected request for ${what}`, async () => {
      const announced = what.endsWith('value')
      const script = onSocket(
        announced ? hello : { waggle: 1, wants: ['cancel'] },
        `if (json === 'good') { write({ id, json }); continue }
        if (message.cancel !== undefined) { write({ id: message.cancel, cancelled: true }); continue }
        ${body}`,
      )
      const open = await openScript(folder.file(script))
      const outcome = await call(open, 1, announced ? { parts: new KeptParts() } : {})
      assert.ok(outcome instanceof WaggleError)
      assert.equal(outcome.code, 'WAGGLE_BEE_PROTOCOL')
      assert.deepEqual(await call(open, 'good'), json('good'))
      await open.close()
    })
})
