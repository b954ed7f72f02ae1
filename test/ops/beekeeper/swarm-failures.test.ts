import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { swarmFailures } from '../../../ops/beekeeper/swarm-failures.ts'
import { headerText, textHeader } from '../../../topology/record.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

const error = new WaggleError('WAGGLE_PROCESSING_FAILED', { message: 'No.', next: 'Look.' })
const place = { topic: 'in', partition: 1, offset: 7n, node: 'join', taskId: '0_1' }
const record = (value: unknown, key: unknown = 'id') => ({ key, value, timestamp: 3, headers: [textHeader('content-type', 'text/plain')], ...place })

describe('A record at which a step of a swarm fails', () => {
  it('becomes a dead letter at once, because a retry would delay other records', () => {
    const { deserialization, processing, production } = swarmFailures('teddy')
    for (const handler of [deserialization, processing, production]) assert.equal(handler(error, record(null)), 'resume')
  })

  it('has a dead letter with its place and the cause', () => {
    const { deadLetters } = swarmFailures('teddy')
    assert.equal(deadLetters?.topic, 'waggle.teddy.dead-letters')
    const headers = deadLetters?.headers(error, record(null)) ?? []
    assert.deepEqual(
      ['bee', 'code', 'detail', 'topic', 'partition', 'offset'].map((name) => headerText(headers, `waggle-dead-letter-${name}`)),
      ['join', 'WAGGLE_PROCESSING_FAILED', 'No. Look.', 'in', '1', '7'],
    )
  })

  it('is replaced by an error record, so that its caller gets an answer', () => {
    const { replacement } = swarmFailures('teddy')
    const sent = replacement?.(error, record({ kind: 'bytes', bytes: new Uint8Array(0), contentType: 'text/plain' }))
    assert.deepEqual(sent?.value, {
      kind: 'error',
      error: { code: 'WAGGLE_PROCESSING_FAILED', status: 502, title: 'A bee failed', detail: 'No.', bee: 'join' },
    })
    assert.equal(sent?.key, 'id')
    assert.equal(headerText(sent?.headers ?? [], 'waggle-error'), 'WAGGLE_PROCESSING_FAILED')
    assert.equal(headerText(sent?.headers ?? [], 'content-type'), 'application/json')
  })

  it('is replaced whatever the kind of its payload is', () => {
    const { replacement } = swarmFailures('teddy')
    const claim = { store: 's', key: 'k', sha256: 'x', bytes: 3_000_000, contentType: 'image/png', expiresAt: 1 }
    const payloads: { readonly [kind in Exclude<Payload['kind'], 'error'>]: Payload } = {
      json: { kind: 'json', json: 1 },
      bytes: { kind: 'bytes', bytes: new Uint8Array(0), contentType: 'text/plain' },
      tensors: { kind: 'tensors', tensors: {} },
      joined: { kind: 'joined', parts: new Map() },
      claim: { kind: 'claim', claim },
    }
    for (const payload of Object.values(payloads)) {
      const sent = replacement?.(error, record(payload))?.value as Payload | undefined
      assert.equal(sent?.kind, 'error', payload.kind)
    }
  })

  it('is not replaced if it is already an error record, or is not a request', () => {
    const { replacement } = swarmFailures('teddy')
    const failed = { kind: 'error', error: { code: 'WAGGLE_REFUSED', status: 422, title: '', detail: '', bee: '' } }
    for (const value of [null, 'text', { kind: 'other' }, { to: { topic: 'replies' } }, failed])
      assert.equal(replacement?.(error, record(value)), null)
    assert.equal(replacement?.(error, record({ kind: 'json', json: 1 }, 7)), null)
  })
})
