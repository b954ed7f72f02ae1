import assert from 'node:assert/strict'
import fs, { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { DirectoryBytes } from '../../../connectors/claims/directory-bytes.ts'
import { DirectoryClaims, type DirectoryClaimsOptions } from '../../../connectors/claims/directory-claims.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { claimKey } from '../../../topology/swarm/payload/claim-codec.ts'
import { claimStoreContract } from '../../contract/claim-store.ts'
import { eventually } from '../../support/swarm-here.ts'

const opened = (directory: string, more: Partial<DirectoryClaimsOptions> = {}) =>
  DirectoryClaims.open(directory, { random: new SystemRandom(), clock: systemClock, maxBytes: null, ...more })

claimStoreContract('A data directory', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
  const open = () => opened(join(directory, 'claims'))
  return {
    store: await open(),
    again: async () => open(),
    alter: async (key, content) => writeFileSync(join(directory, 'claims', key.slice(0, 7), key), content),
    close: async () => rmSync(directory, { recursive: true }),
  }
})

describe('The payloads of a data directory', () => {
  it('are files that only their user may read, and their folder is deleted with its last file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    try {
      const store = await opened(join(directory, 'claims'))
      const keys = [1, 2].map((at) => claimKey({ expiresAt: 5e12, putAt: 1e12, random: new Uint8Array(16).fill(at) }))
      for (const key of keys) await store.put(key, Buffer.from('honey'))
      const folder = join(directory, 'claims', '5000000')
      assert.deepEqual(readdirSync(folder), keys)
      assert.deepEqual([statSync(folder).mode & 0o777, statSync(join(folder, keys[0] ?? '')).mode & 0o777], [0o700, 0o600])
      for (const key of keys) await store.delete(key)
      assert.deepEqual(readdirSync(join(directory, 'claims')), ['store'])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('are not settled before the name of their folder is durable, also if another put has made the folder', async (test) => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    const synced: string[] = []
    const paths = new Map<number, string>()
    const { openSync, fsyncSync } = fs
    test.mock.method(fs, 'openSync', (...given: Parameters<typeof openSync>) => {
      const descriptor = openSync(...given)
      paths.set(descriptor, String(given[0]))
      return descriptor
    })
    test.mock.method(fs, 'fsyncSync', (descriptor: number) => {
      fsyncSync(descriptor)
      synced.push(paths.get(descriptor) ?? '')
    })
    syncBuiltinESMExports()
    try {
      const root = join(directory, 'claims')
      await opened(root)
      assert.equal(synced.at(-1), directory)
      synced.length = 0
      const store = await opened(root)
      assert.deepEqual(synced, [directory], 'an earlier process may have died before this sync')
      const key = (at: number) => claimKey({ expiresAt: 5e12, putAt: 1e12, random: new Uint8Array(16).fill(at) })
      const folder = join(root, '5000000')
      mkdirSync(folder, { mode: 0o700 })
      synced.length = 0
      await store.put(key(1), Buffer.from('honey'))
      assert.deepEqual(synced, [folder, root])
      await store.put(key(2), Buffer.from('honey'))
      assert.deepEqual(synced, [folder, root, folder])
      for (const at of [1, 2]) await store.delete(key(at))
      await store.put(key(3), Buffer.from('honey'))
      assert.deepEqual(synced, [folder, root, folder, folder, root])
    } finally {
      test.mock.restoreAll()
      syncBuiltinESMExports()
      rmSync(directory, { recursive: true })
    }
  })

  it('leave no part of themselves on a full disk', async (test) => {
    if (!existsSync('/dev/full')) return test.skip('only Linux has a device that is always full')
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    try {
      const store = await opened(join(directory, 'claims'))
      const key = claimKey({ expiresAt: 5e12, putAt: 1e12, random: new Uint8Array(16) })
      const folder = join(directory, 'claims', '5000000')
      mkdirSync(folder)
      symlinkSync('/dev/full', join(folder, key))
      await assert.rejects(store.put(key, Buffer.from('honey')), { code: 'WAGGLE_DISK_FULL' })
      assert.deepEqual(readdirSync(folder), [])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('are not opened if the file store contains no name of a store', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    try {
      const open = async () => (await opened(directory)).name
      const name = await open()
      assert.match(name, /^data-directory:[0-9a-f]{16}$/)
      for (const text of ['', 'odd name', 's3://bucket/prefix/', `${name}0`, name.toUpperCase()]) {
        writeFileSync(join(directory, 'store'), text)
        await assert.rejects(open, { code: 'WAGGLE_CLAIM_STORE', message: /store has no name of a claim store/, next: /from a backup/ }, text)
      }
      writeFileSync(join(directory, 'store'), `${name}\n`)
      assert.equal(await open(), name)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('are refused before they pass their bound, and taken again when others are gone', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    const key = (at: number) => claimKey({ expiresAt: 5e12, putAt: 1e12, random: new Uint8Array(16).fill(at) })
    try {
      const notices: string[] = []
      const open = () => opened(join(directory, 'claims'), { maxBytes: 10_000_000, onNotice: (notice) => void notices.push(notice) })
      const store = await open()
      await store.put(key(1), new Uint8Array(7_000_000))
      assert.deepEqual([store.refusal(3_000_000), notices.length], [null, 0])
      const full = { code: 'WAGGLE_CLAIM_STORE_FULL', message: /has 7 MiB .* would pass the 10 MiB .*WAGGLE_CLAIM_STORE_MAX_BYTES/, next: /Raise/ }
      await assert.rejects(store.put(key(2), new Uint8Array(3_000_001)), full)
      // Puts at the same time pass the bound no more than puts one after the other.
      const both = await Promise.allSettled([store.put(key(3), new Uint8Array(2_000_000)), store.put(key(4), new Uint8Array(2_000_000))])
      assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
      assert.match(notices.join(), /Large payloads have 9 MiB of the 10 MiB/)
      const again = await open()
      assert.deepEqual([store.usage.bytes, again.usage.bytes, again.usage.maxBytes], [9_000_000, 9_000_000, 10_000_000])
      assert.equal(again.refusal(2_000_000)?.code, 'WAGGLE_CLAIM_STORE_FULL')
      await again.delete(key(1))
      await again.delete(key(1))
      assert.deepEqual([again.refusal(2_000_000), again.usage.bytes], [null, 2_000_000])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('leave a reserve of the disk free, so that the log goes on', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    const key = claimKey({ expiresAt: 5e12, putAt: 1e12, random: new Uint8Array(16) })
    const disk = { size: 100_000_000, free: 6_000_000 }
    try {
      const store = await opened(join(directory, 'claims'), { disk: () => disk })
      const full = {
        code: 'WAGGLE_CLAIM_STORE_FULL',
        message: /^The disk of the claim store has 6 MiB left, and 1000001 bytes more/,
        next: /Make room on the disk/,
      }
      await assert.rejects(store.put(key, new Uint8Array(1_000_001)), full)
      assert.equal(existsSync(join(directory, 'claims', '5000000')), false)
      disk.free = 7_000_000
      await store.put(key, new Uint8Array(1_000_001))
      assert.equal(store.usage.bytes, 1_000_001)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('are counted again when they are refused, because somebody may have deleted some', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    const key = (at: number) => claimKey({ expiresAt: 5e12, putAt: 1e12, random: new Uint8Array(16).fill(at) })
    try {
      const clock = new SimulatedClock()
      const store = await opened(join(directory, 'claims'), { maxBytes: 1_000, clock })
      await store.put(key(1), new Uint8Array(900))
      rmSync(join(directory, 'claims', '5000000', key(1)))
      assert.notEqual(store.refusal(900), null)
      await clock.advance(6_000)
      assert.notEqual(store.refusal(900), null)
      await eventually(async () => store.refusal(900) === null)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('keep the bytes of files that are being written while they are counted again', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    try {
      const clock = new SimulatedClock()
      const bytes = await DirectoryBytes.counted({ directory, clock, maxBytes: 1_000 })
      bytes.add(600)
      mkdirSync(join(directory, '5000000'))
      writeFileSync(join(directory, '5000000', 'of another process'), new Uint8Array(100))
      await clock.advance(6_000)
      assert.notEqual(bytes.refusal(900), null)
      await eventually(async () => bytes.usage.bytes === 700)
      bytes.written(600)
      await clock.advance(6_000)
      assert.notEqual(bytes.refusal(900), null)
      await eventually(async () => bytes.usage.bytes === 100)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
