import assert from 'node:assert/strict'
import { it } from 'node:test'
import { claimBucket } from '../../../connectors/claims/claim-bucket.ts'
import { S3Claims } from '../../../connectors/claims/s3-claims.ts'
import { claimKey } from '../../../topology/swarm/payload/claim-codec.ts'
import { Unavailable } from '../../../topology/waggle-error.ts'
import { claimStoreContract } from '../../contract/claim-store.ts'
import { describeWithS3, type Env, withEnv } from '../../support/s3-server.ts'

describeWithS3('S3 as a claim store', (server) => {
  const key = claimKey({ expiresAt: 5e12, putAt: 1e12, random: new Uint8Array(16) })

  /** The SDK reads its variables when the client is made, at the first call. */
  const opened = async (bucket: string, env: Env = server().env) => {
    const place = claimBucket(`s3://${bucket}/large/payloads`)
    assert.ok(place !== null)
    const store = new S3Claims(place, env)
    await withEnv(env, () => store.list('0', 1, never).catch(() => {}))
    return store
  }

  claimStoreContract('A bucket', async () => {
    await server().makeBucket('claims')
    const store = await opened('claims')
    return {
      store,
      again: () => opened('claims'),
      alter: (altered, content) => server().put('claims', `large/payloads/${altered}`, content),
      close: () => store.close(),
    }
  })

  it('says that its bucket is missing, instead of that an object is', async () => {
    const store = await opened('nowhere')
    await assert.rejects(store.get(key, 10, never), { code: 'WAGGLE_CLAIM_STORE' })
    await assert.rejects(store.put(key, new Uint8Array(1), never), { code: 'WAGGLE_CLAIM_STORE' })
    await store.close()
  })

  it('names the rights that a user lacks', async () => {
    await server().makeBucket('closed')
    server().addUser('visitor', 'visitor-visitor')
    const store = await opened('closed', server().envOf('visitor', 'visitor-visitor'))
    await assert.rejects(store.put(key, new Uint8Array(1), never), { code: 'WAGGLE_CLAIM_STORE', next: /s3:PutObject/ })
    await store.close()
  })

  it('is away while its server does not answer, and is used again when it does', async () => {
    await server().makeBucket('away')
    const store = await opened('away')
    await store.put(key, Buffer.from('honey'), never)
    await server().stop()
    await assert.rejects(store.get(key, 5, never), (error) => error instanceof Unavailable && error.code === 'WAGGLE_CLAIM_STORE_AWAY')
    await server().start()
    assert.equal(Buffer.from((await store.get(key, 5, never)) ?? []).toString(), 'honey')
    await store.close()
  })

  it('sees nothing beside its prefix', async () => {
    await server().makeBucket('shared')
    const store = await opened('shared')
    await server().put('shared', 'large/payloads-of-others/x', 'x')
    await server().put('shared', 'large/payloads/notes.txt', 'x')
    assert.deepEqual(await store.list('9999999999999', 10, never), [])
    await store.close()
  })
})

const never = new AbortController().signal
