import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { entranceSerde } from '../../../processor/swarm/entrance-serde.ts'
import { textHeader } from '../../../topology/record.ts'
import { encodeClaim } from '../../../topology/swarm/payload/claim-codec.ts'
import { payloadSerde } from '../../../topology/swarm/payload/payload-serde.ts'
import { contentTypeHeader } from '../../../topology/swarm/request/headers.ts'
import { noReplyTopics } from '../../../topology/swarm/request/reply-topics.ts'

describe('The records of a gateway’s topic', () => {
  const { deserialize } = entranceSerde(payloadSerde, noReplyTopics)
  const read = (bytes: Uint8Array, contentType: string) => deserialize('waggle.gateway.door', bytes, [textHeader(contentTypeHeader, contentType)])
  const claimType = 'application/vnd.waggle.claim+json'
  const claim = {
    ...{ store: 's3://large/payloads/', key: `1700000001000-1700000000000-${'0'.repeat(32)}`, sha256: 'a'.repeat(64) },
    ...{ bytes: 9, contentType: 'image/x', expiresAt: 1_700_000_001_000 },
  }

  it('may have a claim in place of the payload', () => {
    assert.deepEqual(read(encodeClaim(claim), claimType), { kind: 'claim', claim })
  })

  it('are refused with a malformed claim, or one of a payload that only Waggle makes', () => {
    for (const wrong of [
      Buffer.from('{}'),
      encodeClaim({ ...claim, key: '../../../etc/passwd' }),
      encodeClaim({ ...claim, contentType: claimType }),
      encodeClaim({ ...claim, contentType: 'application/vnd.waggle.joined' }),
    ]) {
      const payload = read(wrong, claimType)
      assert.equal(payload.kind === 'error' && payload.error.code, 'WAGGLE_BAD_PAYLOAD')
    }
  })
})
