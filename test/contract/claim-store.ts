import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { claimKey } from '../../topology/swarm/payload/claim-codec.ts'
import type { ClaimStore } from '../../topology/swarm/ports/claims.ts'

export interface ClaimStoreUnderTest {
  readonly store: ClaimStore
  /** The same store, opened again. */
  again(): Promise<ClaimStore>
  /** Replaces an object past the store. */
  alter(key: string, content: Uint8Array): Promise<void>
  close(): Promise<void>
}

/** The contract of every claim store. */
export function claimStoreContract(name: string, open: () => Promise<ClaimStoreUnderTest>): void {
  describe(`${name} keeps the contract of a claim store`, () => {
    let under: ClaimStoreUnderTest
    before(async () => {
      under = await open()
    })
    after(() => under.close())

    let made = 0
    const key = (expiresAt: number) => {
      const random = new Uint8Array(16)
      new DataView(random.buffer).setUint32(0, made++)
      return claimKey({ expiresAt, putAt: expiresAt - 1_000, random })
    }
    const bytes = (length: number) => Buffer.from(Array.from({ length }, (_, at) => (at * 7) % 251))

    it('gives back exactly the bytes that were put, also after it is opened again', async () => {
      for (const content of [bytes(1), bytes(0), bytes(3_000_000)]) {
        const own = key(5e12)
        await under.store.put(own, content, never)
        const again = await under.again()
        for (const store of [under.store, again]) assert.ok(content.equals((await store.get(own, content.length, never)) ?? bytes(9)))
        assert.equal(again.name, under.store.name)
        await again.close()
      }
    })

    it('gives null for an object that was never put', async () => {
      assert.equal(await under.store.get(key(5e12), 10, never), null)
    })

    it('reads at most one byte more than it is asked for of an object that somebody has made longer', async () => {
      const own = key(5e12)
      await under.store.put(own, bytes(10), never)
      await under.alter(own, bytes(1_000_000))
      assert.equal((await under.store.get(own, 10, never))?.length, 11)
    })

    it('puts an object again after a put of which nobody knows whether it succeeded', async () => {
      const own = key(5e12)
      await under.store.put(own, bytes(7), never)
      await under.store.put(own, bytes(7), never)
      assert.ok(bytes(7).equals((await under.store.get(own, 7, never)) ?? bytes(9)))
    })

    it('deletes an object, and does not mind one that is gone', async () => {
      const own = key(5e12)
      await under.store.put(own, bytes(7), never)
      await under.store.delete(own, never)
      await under.store.delete(own, never)
      assert.equal(await under.store.get(own, 7, never), null)
    })

    it('lists the names before a name, the earliest expiry first', async () => {
      const keys = [key(3_000_000_000), key(1_000_000_000), key(1_000_000_001), key(2_000_000_000)]
      for (const own of keys) await under.store.put(own, bytes(3), never)
      const [third, first, second] = keys
      assert.deepEqual(await under.store.list('0002000000000', 10, never), [first, second])
      assert.deepEqual(await under.store.list('0004000000000', 2, never), [first, second])
      assert.deepEqual((await under.store.list('0004000000000', 10, never)).at(-1), third)
      assert.deepEqual(await under.store.list('0000000000000', 10, never), [])
    })

    it('puts and reads many objects at once', async () => {
      const keys = Array.from({ length: 40 }, () => key(5e12))
      await Promise.all(keys.map((own, at) => under.store.put(own, bytes(1_000 + at), never)))
      const lengths = await Promise.all(keys.map(async (own) => (await under.store.get(own, 2_000, never))?.length))
      assert.deepEqual(
        lengths,
        keys.map((_, at) => 1_000 + at),
      )
    })

    it('refuses a name that is none of its own', async () => {
      for (const name of ['../../etc/passwd', '', 'store', `${key(5e12)}/x`]) {
        await assert.rejects(async () => under.store.put(name, bytes(1), never), RangeError)
        await assert.rejects(async () => under.store.get(name, 1, never), RangeError)
        await assert.rejects(async () => under.store.delete(name, never), RangeError)
      }
    })
  })
}

const never = new AbortController().signal
