import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keptFiles } from '../../../bees/model-versions/kept-files.ts'
import { MovingFolder } from '../../../bees/model-versions/moving-folder.ts'
import type { FoundVersion } from '../../../topology/swarm/ports/models.ts'

describe('A folder of versions from an object store', () => {
  const found = (version: number): FoundVersion => ({ version, fingerprint: 'whole', isComplete: true })
  const folders = new Map([
    ['/cache/a', [found(1)]],
    ['/cache/b', [found(1), found(2)]],
  ])
  const store = { path: '/cache/a', asked: 0, nowMs: 0 }
  /** The number of users of each path. */
  const kept = new Map<string, number>()
  const keep = (path: string, until: AbortSignal) => {
    kept.set(path, (kept.get(path) ?? 0) + 1)
    until.addEventListener('abort', () => kept.set(path, (kept.get(path) ?? 0) - 1))
    return path
  }
  const folderAt = async (path: string) => {
    const versions = folders.get(path)
    return versions === undefined ? null : { look: async () => versions, lookTwice: async () => versions }
  }
  const path = async (until: AbortSignal) => {
    store.asked++
    if (store.path === 'away') throw new Error('the store is away')
    return keep(store.path, until)
  }
  const open = async (at = '/cache/a') => {
    kept.clear()
    return MovingFolder.at(await keptFiles(async (until) => keep(at, until)), { path, folderAt, now: () => store.nowMs })
  }

  it('is searched for changes in the store every half minute, and its versions are then found at the new path', async () => {
    Object.assign(store, { path: '/cache/a', asked: 0, nowMs: 0 })
    const folder = await open()
    store.path = '/cache/b'
    store.nowMs = 29_999
    assert.deepEqual(await folder?.look(), [found(1)])
    assert.equal(store.asked, 0)
    store.nowMs = 30_000
    assert.deepEqual(await folder?.look(), [found(1), found(2)])
    assert.deepEqual([folder?.use().path, store.asked], ['/cache/b', 1])
  })

  it('is searched for changes at once when a reload is requested', async () => {
    Object.assign(store, { path: '/cache/b', asked: 0, nowMs: 0 })
    const folder = await open()
    assert.deepEqual(await folder?.lookTwice(), [found(1), found(2)])
  })

  it('keeps its path if the store now has a model without versions or is unreachable, and asks again half a minute later', async () => {
    Object.assign(store, { path: '/cache/model.onnx', asked: 0, nowMs: 0 })
    const folder = await open()
    store.nowMs = 30_000
    assert.deepEqual(await folder?.look(), [found(1)])
    store.path = 'away'
    store.nowMs = 60_000
    await assert.rejects(folder?.look() ?? Promise.resolve(), /the store is away/)
    assert.deepEqual(await folder?.look(), [found(1)])
    assert.deepEqual([folder?.use().path, store.asked], ['/cache/a', 2])
  })

  it('does not exist if the path itself is a model', async () => {
    assert.equal(await open('/cache/model.onnx'), null)
  })

  it('keeps the files of an earlier look until a newer look finds other files and nobody uses the earlier files', async () => {
    Object.assign(store, { path: '/cache/a', asked: 0, nowMs: 0 })
    const folder = await open()
    assert.ok(folder)
    const [one, two] = [folder.use(), folder.use()]
    store.nowMs = 30_000
    await folder.look()
    assert.deepEqual([...kept], [['/cache/a', 1]], 'the same path is kept once')
    store.path = '/cache/b'
    await folder.lookTwice()
    one.end()
    one.end()
    assert.deepEqual([kept.get('/cache/a'), kept.get('/cache/b')], [1, 1])
    two.end()
    assert.deepEqual([kept.get('/cache/a'), kept.get('/cache/b')], [0, 1])
    folder.use().end()
    assert.equal(kept.get('/cache/b'), 1, 'the newest files are kept without a user')
  })
})
