import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { ClaimCounts } from '../../../connectors/claims/claim-counts.ts'
import { ClaimSweep } from '../../../connectors/claims/claim-sweep.ts'
import { DirectoryClaims } from '../../../connectors/claims/directory-claims.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { claimFamilies } from '../../../ops/telemetry/claim-families.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { claimKey } from '../../../topology/swarm/payload/claim-codec.ts'
import { MemoryClaims } from '../../support/memory-claims.ts'

const hourMs = 3_600_000
const day = 24 * hourMs

const opened = ({ oldestUnread = () => Number.POSITIVE_INFINITY }: { readonly oldestUnread?: () => number | null } = {}) => {
  const store = new MemoryClaims()
  const clock = new SimulatedClock()
  const notices: string[] = []
  const counts = new ClaimCounts()
  const sweep = new ClaimSweep({ store, clock, oldestUnread, everyMs: 600_000, onNotice: (notice) => void notices.push(notice), counts })
  let made = 0
  /** Stores an object that lives for a day. */
  const put = (putAt: number) => {
    const key = claimKey({ expiresAt: putAt + day, putAt, random: new Uint8Array(16).fill(made++ % 256) })
    store.objects.set(key, new Uint8Array(1))
    return key
  }
  return { store, clock, notices, sweep, put, counts }
}

describe('A sweep of a claim store', () => {
  it('deletes only objects whose time is over', async () => {
    const { store, clock, sweep, put } = opened()
    put(clock.now() - day - 1)
    const young = put(clock.now() - day + 60_000)
    assert.equal(await sweep.sweep(), 1)
    assert.deepEqual([...store.objects.keys()], [young])
    await clock.advance(60_001)
    assert.equal(await sweep.sweep(), 1)
    assert.equal(store.objects.size, 0)
  })

  it('keeps an expired object while a reader has unread records that may name the object', async () => {
    let unread: number | null = null
    const { store, clock, sweep, put } = opened({ oldestUnread: () => unread })
    const [older, newer] = [clock.now() - 9 * day, clock.now() - 3 * day]
    put(older)
    const kept = put(newer)
    assert.equal(await sweep.sweep(), 0, 'nobody knows yet what is unread')
    unread = newer
    assert.equal(await sweep.sweep(), 1)
    assert.deepEqual([...store.objects.keys()], [kept])
    unread = Number.POSITIVE_INFINITY
    assert.equal(await sweep.sweep(), 1)
  })

  it('deletes thousands of objects in one sweep', async () => {
    const { store, clock, sweep, put, counts } = opened()
    for (let at = 0; at < 2_500; at++) put(clock.now() - 3 * day - at)
    assert.equal(await sweep.sweep(), 2_500)
    assert.equal(counts.expiredObjects, 2_500)
    const families = claimFamilies({ counts, answers: { takenBytes: 0, maxBytes: 0 }, usage: () => null })
    assert.equal(families.find(({ name }) => name === 'waggle_claims_expired_total')?.samples[0]?.value, 2_500)
    assert.equal(store.objects.size, 0)
  })

  it('runs again by itself, reports an unreachable store, and continues when the store is back', async () => {
    const { store, clock, notices, sweep, put } = opened()
    put(clock.now() - 2 * day)
    store.isAway = true
    sweep.start()
    await clock.advance(20_000)
    assert.deepEqual(notices, ['expired payloads stay for now: The store is away'])
    store.isAway = false
    await clock.advance(600_000)
    assert.equal(store.objects.size, 0)
    await sweep.close()
    put(clock.now() - 2 * day)
    await clock.advance(2_000_000)
    assert.equal(store.objects.size, 1)
  })

  it('deletes the orphan of a process that was killed between the put and the record', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-orphan-'))
    try {
      const program = resolve(import.meta.dirname, '..', '..', 'support', 'dying-gateway.ts')
      const { signal, stderr } = spawnSync(process.execPath, [program, join(directory, 'claims')], { encoding: 'utf8', timeout: 60_000 })
      assert.equal(signal, 'SIGKILL', stderr)
      const store = await DirectoryClaims.open(join(directory, 'claims'), { random: new SystemRandom(), clock: systemClock, maxBytes: null })
      assert.equal((await store.list('9999999999999', 10)).length, 1)
      const clock = new SimulatedClock(Date.now() + day)
      const sweep = new ClaimSweep({
        store,
        clock,
        oldestUnread: () => Number.POSITIVE_INFINITY,
        everyMs: 1_000,
        onNotice: assert.fail,
        counts: new ClaimCounts(),
      })
      assert.equal(await sweep.sweep(), 1)
      assert.deepEqual(await store.list('9999999999999', 10), [])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
