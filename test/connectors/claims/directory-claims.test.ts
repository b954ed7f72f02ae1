import assert from 'node:assert/strict'
import fs, { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { DirectoryClaims } from '../../../connectors/claims/directory-claims.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { claimKey } from '../../../topology/swarm/payload/claim-codec.ts'
import { claimStoreContract } from '../../contract/claim-store.ts'

claimStoreContract('A data directory', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
  const open = () => DirectoryClaims.open(join(directory, 'claims'), new SystemRandom())
  return {
    store: open(),
    again: async () => open(),
    alter: async (key, content) => writeFileSync(join(directory, 'claims', key.slice(0, 7), key), content),
    close: async () => rmSync(directory, { recursive: true }),
  }
})

describe('The payloads of a data directory', () => {
  it('are files that only their user may read, and their folder is deleted with its last file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    try {
      const store = DirectoryClaims.open(join(directory, 'claims'), new SystemRandom())
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
      DirectoryClaims.open(root, new SystemRandom())
      assert.equal(synced.at(-1), directory)
      synced.length = 0
      const store = DirectoryClaims.open(root, new SystemRandom())
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
      const store = DirectoryClaims.open(join(directory, 'claims'), new SystemRandom())
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

  it('are not opened if the file store contains no name of a store', () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    try {
      const open = () => DirectoryClaims.open(directory, new SystemRandom()).name
      const name = open()
      assert.match(name, /^data-directory:[0-9a-f]{16}$/)
      for (const text of ['', 'odd name', 's3://bucket/prefix/', `${name}0`, name.toUpperCase()]) {
        writeFileSync(join(directory, 'store'), text)
        assert.throws(open, { code: 'WAGGLE_CLAIM_STORE', message: /store has no name of a claim store/, next: /from a backup/ }, text)
      }
      writeFileSync(join(directory, 'store'), `${name}\n`)
      assert.equal(open(), name)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
