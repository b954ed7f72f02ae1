import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { CacheLock } from '../../../connectors/objects/cache-lock.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'

describe('The lock of a cache', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-lock-'))
  after(() => rmSync(directory, { recursive: true }))

  const taker = (file: string, token: string, isAlive: (holder: string) => Promise<boolean>) =>
    CacheLock.tryToAcquire({ file, users: { token, isAlive }, clock: systemClock })

  it('goes from a dead process to only one of two processes that take it at the same moment', async () => {
    const file = join(directory, 'two')
    writeFileSync(file, 'dead 1')
    const looks = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<boolean>()
    const slow = taker(file, 'slow', () => {
      looks.resolve()
      return answer.promise
    })
    await looks.promise
    const quick = await taker(file, 'quick', async () => false)
    answer.resolve(false)
    assert.equal(await slow, null)
    assert.equal(await quick?.isHeld(), true)
    assert.match(readFileSync(file, 'utf8'), /^quick /)
    await quick?.release()
    assert.deepEqual(readdirSync(directory), [])
  })

  it('goes to a process that is looking at the lock while the lock is released', async () => {
    const file = join(directory, 'released')
    const first = await taker(file, 'first', async () => true)
    const second = await taker(file, 'second', async () => {
      await first?.release()
      return false
    })
    assert.equal(await second?.isHeld(), true)
    await second?.release()
    assert.deepEqual(readdirSync(directory), [])
  })

  it('stays with a process that has taken over the lock when the first holder releases it', async () => {
    const file = join(directory, 'taken')
    const first = await taker(file, 'first', async () => true)
    const second = await taker(file, 'second', async () => false)
    await first?.release()
    assert.deepEqual([await first?.isHeld(), await second?.isHeld()], [false, true])
    await second?.release()
  })
})
