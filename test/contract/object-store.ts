import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ObjectStore } from '../../topology/swarm/ports/objects.ts'
import { Unavailable } from '../../topology/waggle-error.ts'

export interface StoreUnderTest {
  readonly store: ObjectStore
  put(key: string, content: Uint8Array | string): Promise<void>
  remove(key: string): Promise<void>
  addressOf(key: string): string
  /** Makes the store unavailable from now on: new connections and open connections break. */
  goAway(): Promise<void>
  comeBack(): Promise<void>
  close(): Promise<void>
}

/** The contract of every object store. */
export function objectStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the contract of an object store`, () => {
    let under: StoreUnderTest
    before(async () => {
      under = await open()
    })
    after(() => under.close())

    const look = (key: string) => under.store.look(under.addressOf(key), never)
    const looked = async (key: string) => {
      const { objects } = await look(key)
      const [object] = objects
      assert.ok(object !== undefined)
      return object
    }

    it('gives the name, size and tag of a file, and the tag changes with the content', async () => {
      await under.put('told.onnx', 'honey')
      const { kind, name, objects } = await look('told.onnx')
      assert.deepEqual([kind, name, objects.length, objects[0]?.path, objects[0]?.bytes], ['file', 'told.onnx', 1, 'told.onnx', 5])
      await under.put('told.onnx', 'honig')
      assert.notEqual((await looked('told.onnx')).etag, objects[0]?.etag)
    })

    it('reads exactly the bytes from a given byte on', async () => {
      const content = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251))
      await under.put('bytes.bin', content)
      const object = await looked('bytes.bin')
      for (const from of [0, 1, 70_000, 99_999]) {
        const answer = await under.store.read(object, from, never)
        assert.ok(answer !== null)
        assert.equal(answer.fromByte, from)
        assert.ok(Buffer.concat(await Array.fromAsync(answer.chunks)).equals(content.subarray(from)), String(from))
      }
    })

    it('reads nothing of an object that has another version now, or is gone', async () => {
      await under.put('changing.bin', 'first')
      const first = await looked('changing.bin')
      await under.put('changing.bin', 'other')
      assert.equal(await under.store.read(first, 0, never), null)
      assert.equal(await under.store.read(first, 2, never), null)
      const second = await looked('changing.bin')
      await under.put('changing.bin', 'o')
      assert.equal(await under.store.read(second, 3, never), null)
      await under.remove('changing.bin')
      assert.equal(await under.store.read(second, 0, never), null)
    })

    it('reports that there is no model at an address without one', async () => {
      await assert.rejects(look('nowhere.onnx'), { code: 'WAGGLE_MODEL_NOT_FOUND' })
    })

    it('ends a call when its signal aborts, with the reason of the signal', async () => {
      await under.put('ended.bin', 'honey')
      const reason = new Error('nobody wants it')
      await assert.rejects(under.store.look(under.addressOf('ended.bin'), AbortSignal.abort(reason)), reason)
      await assert.rejects(under.store.read(await looked('ended.bin'), 0, AbortSignal.abort(reason)), reason)
    })

    it('fails as unavailable while it is away, even in the middle of a file, and answers when it is back', async () => {
      await under.put('large.bin', Buffer.alloc(32 * 1024 * 1024, 'bee'))
      const object = await looked('large.bin')
      const answer = await under.store.read(object, 0, never)
      assert.ok(answer !== null)
      const chunks = answer.chunks[Symbol.asyncIterator]()
      assert.equal((await chunks.next()).done, false)
      await under.goAway()
      const isAway = (thrown: unknown) => thrown instanceof Unavailable && thrown.code === 'WAGGLE_MODEL_UNREACHABLE'
      const rest = async () => {
        while ((await chunks.next()).done !== true);
      }
      await assert.rejects(rest, isAway)
      await assert.rejects(look('large.bin'), isAway)
      await assert.rejects(under.store.read(object, 0, never), isAway)
      await under.comeBack()
      assert.equal((await looked('large.bin')).bytes, object.bytes)
    })
  })
}

const never = new AbortController().signal
