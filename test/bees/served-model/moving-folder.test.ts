import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MovingFolder } from '../../../bees/served-model/moving-folder.ts'
import type { FoundVersion } from '../../../topology/swarm/ports/models.ts'

describe('A folder of versions from an object store', () => {
  const found = (version: number): FoundVersion => ({ version, stamp: 'whole', isComplete: true })
  const folders = new Map([
    ['/cache/a', [found(1)]],
    ['/cache/b', [found(1), found(2)]],
  ])
  const store = { path: '/cache/a', asked: 0, nowMs: 0 }
  const folderAt = async (path: string) => {
    const versions = folders.get(path)
    return versions === undefined ? null : { look: async () => versions, lookTwice: async () => versions }
  }
  const path = async () => {
    store.asked++
    if (store.path === 'away') throw new Error('the store is away')
    return store.path
  }
  const open = () => MovingFolder.at('/cache/a', { path, folderAt, now: () => store.nowMs })

  it('asks the store every half minute, and has then the versions at the new path', async () => {
    Object.assign(store, { path: '/cache/a', asked: 0, nowMs: 0 })
    const folder = await open()
    store.path = '/cache/b'
    store.nowMs = 29_999
    assert.deepEqual(await folder?.look(), [found(1)])
    assert.equal(store.asked, 0)
    store.nowMs = 30_000
    assert.deepEqual(await folder?.look(), [found(1), found(2)])
    assert.deepEqual([folder?.path, store.asked], ['/cache/b', 1])
  })

  it('asks the store at once for a reload', async () => {
    Object.assign(store, { path: '/cache/b', asked: 0, nowMs: 0 })
    const folder = await open()
    assert.deepEqual(await folder?.lookTwice(), [found(1), found(2)])
  })

  it('keeps its path if the store has a model without versions by now, or is away, and asks again half a minute later', async () => {
    Object.assign(store, { path: '/cache/model.onnx', asked: 0, nowMs: 0 })
    const folder = await open()
    store.nowMs = 30_000
    assert.deepEqual(await folder?.look(), [found(1)])
    store.path = 'away'
    store.nowMs = 60_000
    await assert.rejects(folder?.look() ?? Promise.resolve(), /the store is away/)
    assert.deepEqual(await folder?.look(), [found(1)])
    assert.deepEqual([folder?.path, store.asked], ['/cache/a', 2])
  })

  it('is none if the path is a model itself', async () => {
    assert.equal(await MovingFolder.at('/cache/model.onnx', { path, folderAt, now: () => 0 }), null)
  })
})
