import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { CacheUsers } from '../../../connectors/objects/cache-users.ts'

describe('A process that uses a cache of models', () => {
  it('leaves neither its file nor a timer behind if it closes while it touches the file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-users-'))
    try {
      const timers = new Set<() => void>()
      const after = (_: number, callback: () => void) => {
        timers.add(callback)
        return () => void timers.delete(callback)
      }
      const users = new CacheUsers(directory, { now: Date.now, elapsedMs: performance.now, after })
      await users.open()
      const [beat] = timers
      timers.clear()
      beat?.()
      await users.close()
      for (let turn = 0; turn < 100; turn++) await setImmediate()
      assert.deepEqual(readdirSync(join(directory, 'users')), [])
      assert.equal(timers.size, 0)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
