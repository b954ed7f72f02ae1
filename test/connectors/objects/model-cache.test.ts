import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ModelCache, type ModelCacheOptions, type ModelWish } from '../../../connectors/objects/model-cache.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import type { ObjectStore } from '../../../topology/swarm/ports/objects.ts'
import { hastyClock } from '../../support/hasty-clock.ts'
import { MemoryObjects } from '../../support/memory-objects.ts'

describe('The cache of models', () => {
  let directory: string
  let store: MemoryObjects
  let said: string[]
  let caches: ModelCache[]

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-models-'))
    store = new MemoryObjects()
    said = []
    caches = []
  })

  afterEach(async () => {
    await Promise.all(caches.map((cache) => cache.close()))
    rmSync(directory, { recursive: true })
  })

  /** A cache on the same directory, as another process would have it. */
  const opened = (options: Partial<ModelCacheOptions> = {}) => {
    const storeOf = (): ObjectStore => store
    const cache = new ModelCache({ directory, maxBytes: 1_000_000, storeOf, clock: hastyClock(200), stallMs: 600_000, ...options })
    caches.push(cache)
    return cache
  }
  const closed = async (cache: ModelCache) => {
    await cache.close()
    caches = caches.filter((one) => one !== cache)
  }
  const wish = (key: string, more: Partial<ModelWish> = {}): ModelWish => ({
    address: `s3://memory/${key}`,
    kind: 'file or folder',
    log: (level, message) => void said.push(`${level} ${message}`),
    ...more,
  })
  const contentOf = async (path: Promise<string>) => readFileSync(await path, 'utf8')

  it('fetches a version once for all bees and all processes, at the same time and later', async () => {
    store.put('a.onnx', 'honey'.repeat(1000))
    const [one, other] = [opened(), opened()]
    const paths = await Promise.all([one.path(wish('a.onnx')), one.path(wish('a.onnx')), other.path(wish('a.onnx'))])
    assert.deepEqual(new Set(paths).size, 1)
    assert.equal(readFileSync(paths[0] ?? '', 'utf8'), 'honey'.repeat(1000))
    await opened().path(wish('a.onnx'))
    assert.deepEqual(store.reads, [0])
  })

  it('keeps the name of a file, and the files of a folder in their places', async () => {
    store.put('models/a.onnx', 'honey')
    store.put('saved/1/saved_model.pb', 'graph')
    store.put('saved/1/variables/variables.index', 'index')
    const cache = opened()
    assert.match(await cache.path(wish('models/a.onnx')), /\/content\/a\.onnx$/)
    const folder = await cache.path(wish('saved'))
    assert.match(folder, /\/content\/saved$/)
    assert.deepEqual(
      globSync('**/*', { cwd: folder, withFileTypes: true })
        .flatMap((entry) => (entry.isFile() ? [entry.name] : []))
        .toSorted(),
      ['saved_model.pb', 'variables.index'],
    )
    assert.equal(readFileSync(join(folder, '1', 'variables', 'variables.index'), 'utf8'), 'index')
  })

  it('fetches a changed file again, and keeps the version that another bee uses', async () => {
    store.put('a.onnx', 'first')
    const cache = opened()
    const first = await cache.path(wish('a.onnx'))
    store.put('a.onnx', 'second')
    assert.equal(await contentOf(opened().path(wish('a.onnx'))), 'second')
    assert.equal(readFileSync(first, 'utf8'), 'first')
  })

  it('continues a broken download where it stopped, in the same process and after a restart', async () => {
    const content = Array.from({ length: 9000 }, (_, at) => String(at % 10)).join('')
    store.put('a.onnx', content)
    store.breaks.push(2000, 3000)
    assert.equal(await contentOf(opened().path(wish('a.onnx'))), content)
    assert.deepEqual(store.reads, [0, 2000, 5000])
    assert.equal(said.filter((line) => /^warn .*the connection broke; trying again in 1 s/.test(line)).length, 2)
    store.put('b.onnx', content)
    store.breaks.push(4000)
    store.reads.length = 0
    const stopped = opened({ clock: hastyClock(1) })
    const failed = assert.rejects(stopped.path(wish('b.onnx')), { code: 'WAGGLE_STOPPING' })
    while (!said.some((line) => /b\.onnx.*broke/.test(line))) await new Promise(setImmediate)
    await closed(stopped)
    await failed
    assert.equal(await contentOf(opened().path(wish('b.onnx'))), content)
    assert.deepEqual(store.reads, [0, 4000])
  })

  it('restarts a broken download at the first byte if the store cannot send a part of a file', async () => {
    store.put('a.onnx', 'h'.repeat(5000))
    store.breaks.push(2000)
    const read = store.read.bind(store)
    store.read = (object, _fromByte, signal) => read(object, 0, signal)
    assert.equal(await contentOf(opened().path(wish('a.onnx'))), 'h'.repeat(5000))
    assert.deepEqual(store.reads, [0, 0])
  })

  it('provides many models at the same time, both fetched and cached models', async () => {
    const names = Array.from({ length: 20 }, (_, at) => `${at}.onnx`)
    for (const name of names) store.put(name, name)
    for (const cache of [opened(), opened()]) {
      const paths = await Promise.all(names.map((name) => cache.path(wish(name))))
      assert.deepEqual(
        paths.map((path) => readFileSync(path, 'utf8')),
        names,
      )
    }
  })

  it('restarts a download if the file changes meanwhile', async () => {
    store.put('a.onnx', 'a'.repeat(5000))
    store.breaks.push(2000)
    store.beforeChunk = async () => {
      if (store.breaks.length === 0 && store.reads.length === 1) store.put('a.onnx', 'b'.repeat(4000))
    }
    assert.equal(await contentOf(opened().path(wish('a.onnx'))), 'b'.repeat(4000))
    assert.equal(globSync(`${directory}/*/*.partial`).length, 0)
  })

  it('uses its newest version, with a warning, while the store is unreachable', async () => {
    store.put('a.onnx', 'honey')
    await closed(await withPath(opened(), 'a.onnx'))
    store.isAway = true
    assert.equal(await contentOf(opened().path(wish('a.onnx'))), 'honey')
    assert.match(said.at(-1) ?? '', /^warn s3:\/\/memory\/a\.onnx cannot be fetched: it is away; the version of 20\d\d-.* from the cache is used$/)
  })

  it('retries with longer and longer pauses until the store responds, and reports what it waits for', async () => {
    store.put('a.onnx', 'honey')
    store.isAway = true
    const cache = opened()
    const path = cache.path(wish('a.onnx'))
    while (store.looks < 4) await new Promise(setImmediate)
    assert.match(cache.waitingFor ?? '', /s3:\/\/memory\/a\.onnx cannot be fetched: it is away/)
    store.isAway = false
    assert.equal(await contentOf(path), 'honey')
    assert.equal(cache.waitingFor, null)
    assert.deepEqual(said.flatMap((line) => /trying again in (\d+) s/.exec(line)?.[1] ?? []).slice(0, 4), ['1', '2', '4', '8'])
  })

  it('uses its own version if the download of a newer version breaks off again and again', async () => {
    store.put('a.onnx', 'honey')
    await closed(await withPath(opened(), 'a.onnx'))
    store.put('a.onnx', 'newer honey')
    store.breaks.push(0, 0, 0, 0, 0)
    assert.equal(await contentOf(opened().path(wish('a.onnx'))), 'honey')
    assert.match(said.at(-1) ?? '', /from the cache is used/)
  })

  it('stops a download that is too slow, and continues it later', async () => {
    store.put('a.onnx', 'h'.repeat(5000))
    const { promise: never } = Promise.withResolvers<void>()
    let chunks = 0
    store.beforeChunk = () => (++chunks === 3 ? never : Promise.resolve())
    assert.equal(await contentOf(opened({ stallMs: 30_000 }).path(wish('a.onnx'))), 'h'.repeat(5000))
    assert.deepEqual(store.reads, [0, 2000])
    assert.ok(
      said.some((line) => /it brought \d+ bytes in 30 s; trying again/.test(line)),
      said.join('\n'),
    )
  })

  it('uses its own version if the fetch of a newer version takes too long, and continues that download at the next start', async () => {
    store.put('a.onnx', 'honey')
    await closed(await withPath(opened(), 'a.onnx'))
    store.put('a.onnx', 'h'.repeat(5000))
    const clock = new SimulatedClock()
    store.beforeChunk = timeOfThirdChunk(clock, 60_000)
    const late = { clock, fetchMs: 60_000 }
    assert.equal(await contentOf(opened(late).path(wish('a.onnx'))), 'honey')
    assert.match(
      said.at(-1) ?? '',
      /^warn s3:\/\/memory\/a\.onnx cannot be fetched: it has not come within 60 s; the version of .* from the cache is used$/,
    )
    assert.equal(await contentOf(opened().path(wish('a.onnx'))), 'h'.repeat(5000))
    assert.deepEqual(store.reads, [0, 0, 2000])
  })

  it('reports that a fetch takes too long if it has no other version, and continues the download later', async () => {
    store.put('a.onnx', 'h'.repeat(5000))
    const clock = new SimulatedClock()
    store.beforeChunk = timeOfThirdChunk(clock, 60_000)
    const path = opened({ clock, fetchMs: 60_000 }).path(wish('a.onnx'))
    while (!said.some((line) => /^warn .* has not come within 60 s; trying again in 1 s$/.test(line))) await new Promise(setImmediate)
    await clock.advance(1000)
    assert.equal(await contentOf(path), 'h'.repeat(5000))
    assert.deepEqual(store.reads, [0, 2000])
  })

  it('stops a download that delivers more bytes than the store has announced', async () => {
    store.put('a.onnx', 'honey')
    const read = store.read.bind(store)
    store.read = async (object, fromByte, signal) => {
      const answer = await read(object, fromByte, signal)
      return store.reads.length > 1 || answer === null ? answer : { ...answer, chunks: endless() }
    }
    assert.equal(await contentOf(opened().path(wish('a.onnx'))), 'honey')
    assert.ok(
      said.some((line) => /it sent more than the 5 bytes that it has; trying again/.test(line)),
      said.join('\n'),
    )
  })

  it('stops waiting for a store that never answers a look-up, and asks again', async () => {
    store.put('a.onnx', 'honey')
    const look = store.look.bind(store)
    const { promise: never } = Promise.withResolvers<never>()
    store.look = (address, signal) => (store.looks++ === 0 ? never : look(address, signal))
    assert.equal(await contentOf(opened({ clock: hastyClock(1000) }).path(wish('a.onnx'))), 'honey')
    assert.match(said[0] ?? '', /did not say what it has within 120 s; trying again/)
  })

  it('refuses a file whose SHA-256 differs from the spec’s, and keeps no byte of the file', async () => {
    store.put('a.onnx', 'honey')
    const sha256 = createHash('sha256').update('honey').digest('hex')
    const wrong = createHash('sha256').update('wax').digest('hex')
    await assert.rejects(opened().path(wish('a.onnx', { sha256: wrong })), {
      code: 'WAGGLE_MODEL_DIFFERS',
      message: `s3://memory/a.onnx has the SHA-256 ${sha256}, and the spec names ${wrong}`,
    })
    assert.equal(globSync(`${directory}/*/*/content/*`).length, 0)
    assert.equal(await contentOf(opened().path(wish('a.onnx', { sha256: sha256.toUpperCase() }))), 'honey')
    await assert.rejects(opened().path(wish('a.onnx', { sha256: wrong })), { code: 'WAGGLE_MODEL_DIFFERS' })
    store.put('saved/1/saved_model.pb', 'graph')
    await assert.rejects(opened().path(wish('saved', { sha256 })), { code: 'WAGGLE_MODEL_DIFFERS', message: /is a folder/ })
  })

  it('needs no store for a cached file with the spec’s SHA-256, even if the store has another file now', async () => {
    store.put('a.onnx', 'honey')
    await closed(await withPath(opened(), 'a.onnx'))
    store.put('a.onnx', 'wax')
    store.looks = 0
    const sha256 = createHash('sha256').update('honey').digest('hex')
    assert.equal(await contentOf(opened().path(wish('a.onnx', { sha256 }))), 'honey')
    assert.equal(store.looks, 0)
  })

  it('fetches a cached file again if it is incomplete', async () => {
    store.put('a.onnx', 'honey')
    const cache = opened()
    truncateSync(await cache.path(wish('a.onnx')), 2)
    await closed(cache)
    assert.equal(await contentOf(opened().path(wish('a.onnx'))), 'honey')
    assert.match(said.find((line) => line.startsWith('warn')) ?? '', /is not whole any more, and is fetched again/)
  })

  it('fetches a cached file again if its bytes have changed and the spec names its hash', async () => {
    store.put('a.onnx', 'honey')
    const hashed = { ...wish('a.onnx'), sha256: createHash('sha256').update('honey').digest('hex') }
    const cache = opened()
    writeFileSync(await cache.path(hashed), 'hXney')
    await closed(cache)
    assert.equal(await contentOf(opened().path(hashed)), 'honey')
    assert.match(said.find((line) => line.startsWith('warn')) ?? '', /is not whole any more, and is fetched again/)
  })

  it('deletes the least recently used models to stay within its limit, but no model that a process uses', async () => {
    for (const name of ['a', 'b', 'c', 'd']) store.put(`${name}.onnx`, name.repeat(400))
    const user = opened({ maxBytes: 1000 })
    const used = await user.path(wish('a.onnx'))
    const paths = new Map<string, string>()
    for (const name of ['b', 'c', 'd']) {
      const cache = opened({ maxBytes: 1000 })
      paths.set(name, await cache.path(wish(`${name}.onnx`)))
      await closed(cache)
    }
    assert.ok(existsSync(used))
    assert.deepEqual(
      [...paths.values()].map((path) => existsSync(path)),
      [false, false, true],
    )
    const second = opened({ maxBytes: 1000 })
    await second.path(wish('d.onnx'))
    await assert.rejects(opened({ maxBytes: 1000 }).path(wish('b.onnx')), {
      code: 'WAGGLE_MODEL_TOO_LARGE',
      message: /b\.onnx has 400 bytes, and the models in use have 800 of the 1000 that the cache may have/,
    })
  })

  it('deletes a model of its own process once all users of the model have ended', async () => {
    for (const name of ['a', 'b', 'c']) store.put(`${name}.onnx`, name.repeat(400))
    const cache = opened({ maxBytes: 1000 })
    const [one, two] = [new AbortController(), new AbortController()]
    const [path] = await Promise.all([one, two].map(({ signal }) => cache.path({ ...wish('a.onnx'), until: signal })))
    await cache.path(wish('b.onnx'))
    one.abort()
    await assert.rejects(cache.path(wish('c.onnx')), { code: 'WAGGLE_MODEL_TOO_LARGE' })
    two.abort()
    assert.equal(await contentOf(cache.path(wish('c.onnx'))), 'c'.repeat(400))
    assert.ok(path !== undefined && !existsSync(path))
  })

  it('deletes an older version of the same file if both versions do not fit', async () => {
    store.put('a.onnx', 'a'.repeat(600))
    const cache = opened({ maxBytes: 1000 })
    const first = await cache.path(wish('a.onnx'))
    await closed(cache)
    store.put('a.onnx', 'b'.repeat(600))
    assert.equal(await contentOf(opened({ maxBytes: 1000 }).path(wish('a.onnx'))), 'b'.repeat(600))
    assert.ok(!existsSync(first))
  })

  it('refuses a model that is larger than its limit or the disk, before the model is fetched', async () => {
    store.put('a.onnx', 'a'.repeat(2000))
    await assert.rejects(opened({ maxBytes: 1999 }).path(wish('a.onnx')), { code: 'WAGGLE_MODEL_TOO_LARGE', next: /WAGGLE_MODEL_CACHE_BYTES/ })
    const freeBytes = async () => 64 * 1024 * 1024 + 1000
    await assert.rejects(opened({ freeBytes }).path(wish('a.onnx')), {
      code: 'WAGGLE_DISK_FULL',
      message: /needs 2000 more bytes, and the disk of .* has \d+ free/,
    })
    assert.deepEqual(store.reads, [])
  })

  it('refuses a folder where a file is needed, an empty file, and names that lead out of the folder', async () => {
    store.put('empty.onnx', '')
    store.put('saved/1/saved_model.pb', 'graph')
    await assert.rejects(opened().path(wish('saved', { kind: 'file' })), { code: 'WAGGLE_MODEL_NOT_FOUND', message: /is a folder of 1 files/ })
    await assert.rejects(opened().path(wish('empty.onnx')), { code: 'WAGGLE_MODEL_REFUSED', message: /it is empty/ })
    const long = 'n'.repeat(256)
    const evil = ['../escape', 'a/../../escape', '/etc/passwd', 'a//b', './a', 'a\0b', 'a\nb', 'a\\b', long, 'd/'.repeat(40), `${'a/'.repeat(600)}b`]
    for (const [at, key] of evil.entries()) {
      store.put(`evil-${at}/${key}`, 'honey')
      await assert.rejects(opened().path(wish(`evil-${at}`)), { code: 'WAGGLE_MODEL_REFUSED', message: /cannot be used here/ }, key)
    }
    store.put('both/a', 'file')
    store.put('both/a/b', 'below the file')
    await assert.rejects(opened().path(wish('both')), { code: 'WAGGLE_MODEL_REFUSED', message: /both\/a is a file too/ })
    assert.deepEqual(store.reads, [])
    assert.ok(!existsSync(join(directory, 'escape')) && !existsSync(join(directory, '..', 'escape')))
  })

  it('reports every few seconds how much of a model it has fetched', async () => {
    store.put('a.onnx', 'h'.repeat(6000))
    store.beforeChunk = () => new Promise((resolve) => setTimeout(resolve, 30))
    await opened().path(wish('a.onnx'))
    assert.ok(
      said.some((line) => /^info fetching s3:\/\/memory\/a\.onnx: 0\.0 of 0\.0 MB are here, .* MB\/s$/.test(line)),
      said.join('\n'),
    )
    assert.equal(said.at(-1), 'info s3://memory/a.onnx is fetched (6000 bytes)')
  })

  it('leaves no lock, no user and no part of a file behind after it has closed', async () => {
    store.put('a.onnx', 'honey')
    await closed(await withPath(opened(), 'a.onnx'))
    assert.deepEqual(readdirSync(join(directory, 'users')), [])
    assert.deepEqual(globSync(`${directory}/**/*{lock,partial,next,gone}*`), [])
  })

  async function withPath(cache: ModelCache, key: string): Promise<ModelCache> {
    await cache.path(wish(key))
    return cache
  }
})

/** The third chunk never arrives, and the time passes meanwhile. */
function timeOfThirdChunk(clock: SimulatedClock, ms: number): () => Promise<void> {
  let chunks = 0
  return async () => {
    if (++chunks !== 3) return
    void clock.advance(ms)
    await Promise.withResolvers<void>().promise
  }
}

async function* endless() {
  for (;;) yield Buffer.alloc(1000, 'wax')
}
