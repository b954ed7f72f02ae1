import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { openClaims } from '../../../ops/beekeeper/open-claims.ts'
import { loadConfig } from '../../../ops/config/config.ts'
import type { Log, LogStorage } from '../../../processor/ports.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import { claimKey } from '../../../topology/swarm/payload/claim-codec.ts'

const hourMs = 3_600_000
const never = new AbortController().signal

describe('The claim store of a process', () => {
  const opened = async (env: { readonly [variable: string]: string } = {}) => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
    const clock = new SimulatedClock()
    const usage: { storage: LogStorage } = { storage: { bytes: 0, maxBytes: 1, behind: [], refusal: null } }
    const { settings } = loadConfig({ directories: [directory], env: { WAGGLE_DATA_DIR: directory, WAGGLE_CLAIM_STORE: 'data-directory', ...env } })
    const open = await openClaims(settings, { log: usage as unknown as Log, clock, random: new SimulatedRandom(1), onNotice: assert.fail })
    assert.ok(open !== null)
    const payloads = () =>
      readdirSync(join(directory, 'claims'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && entry.name !== 'store')
        .length
    const place = (putAt: number, expiresAt: number) => {
      const key = claimKey({ putAt, expiresAt, random: new Uint8Array(16) })
      const path = join(directory, 'claims', key.slice(0, 7), key)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, 'honey')
    }
    return {
      ...{ clock, usage, payloads, place, claims: open.claims },
      async [Symbol.asyncDispose]() {
        await open.close()
        rmSync(directory, { recursive: true })
      },
    }
  }

  it('keeps a payload for three retentions, the retention of answers and an hour', async () => {
    await using store = await opened({ WAGGLE_RETENTION_SECONDS: '100', WAGGLE_ANSWERS_RETENTION_SECONDS: '50' })
    const { expiresAt } = await store.claims.put(Buffer.from('honey'), 'x/y', never)
    assert.equal(expiresAt, store.clock.now() + 350_000 + hourMs)
  })

  it('keeps an expired payload while the embedded log has older records that a reader has not read', async () => {
    await using store = await opened()
    const { clock, usage, payloads, place } = store
    /** The payloads after some sweeps. Files are deleted by other threads, which a simulated clock does not move. */
    const swept = async (sweeps: number) => {
      for (let turn = 0; turn < sweeps && payloads() > 0; turn++) {
        await clock.advance(600_000)
        await new Promise((done) => setImmediate(done))
      }
      return payloads()
    }
    place(clock.now() - 10 * hourMs, clock.now() - hourMs)
    assert.equal(await swept(10), 1, 'the log has not been measured yet')
    usage.storage = { ...usage.storage, bytes: 1, behind: [{ group: 'g', topic: 't', partition: 0, records: 1, oldestAgeMs: 1_000 * hourMs }] }
    assert.equal(await swept(10), 1)
    usage.storage = { ...usage.storage, behind: [] }
    assert.equal(await swept(5_000), 0)
  })
})
