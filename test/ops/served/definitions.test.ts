import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { Definitions } from '../../../ops/served/definitions.ts'
import type { Log } from '../../../processor/ports.ts'
import { definitionsTopic } from '../../../topology/naming.ts'

let made = 0
const newId = () => (++made).toString(16).padStart(16, '0')
const versionOf = (swarm: string, version: number) => ({ swarm, version, created_at: 1, text: `name: ${swarm}`, file: 'swarm.yaml', directory: '.' })

async function onLog(
  test: (log: Log, open: () => Promise<{ readonly definitions: Definitions; readonly said: string[] }>) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-definitions-'))
  const log = await openEmbeddedLog({ directory, clock: systemClock })
  const opened: Definitions[] = []
  try {
    await test(log, async () => {
      const said: string[] = []
      const definitions = await Definitions.open({ log, clock: systemClock, say: (_, __, message) => void said.push(message), newId })
      opened.push(definitions)
      return { definitions, said }
    })
  } finally {
    for (const definitions of opened) await definitions.close()
    await log.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

describe('The definitions of swarms in the log', () => {
  it('are the same for a server that opens them later', () =>
    onLog(async (_, open) => {
      const { definitions } = await open()
      await definitions.put(versionOf('a', 1), false)
      await definitions.put(versionOf('a', 2), true)
      await definitions.put(versionOf('b', 1), false)
      await definitions.delete('b')
      const later = (await open()).definitions
      assert.deepEqual(later.names, ['a'])
      const found = later.get('a')
      assert.deepEqual({ version: found?.pointer.version, paused: found?.pointer.paused }, { version: 2, paused: true })
      assert.deepEqual([...(found?.versions.keys() ?? [])], [1, 2])
      assert.equal(later.nextVersion('a'), 3)
    }))

  it('leave out records that Waggle did not write, and report each such record', () =>
    onLog(async (log, open) => {
      const { definitions } = await open()
      await definitions.put(versionOf('good', 1), false)
      const rubbish: readonly (readonly [string | null, string | null])[] = [
        [null, '{}'],
        ['Not A Name', '{}'],
        ['good', 'no JSON'],
        ['good', '{"version":"1"}'],
        ['good', '[]'],
        ['good@1', '{"text":5}'],
        ['good@0', '{}'],
        ['__proto__', '{}'],
        ['\u0000', null],
      ]
      const producer = await log.producer()
      for (const [key, value] of rubbish) {
        await producer.send({
          topic: definitionsTopic,
          partition: 0,
          key: key === null ? null : Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
          headers: [],
          timestamp: 1,
        })
      }
      const { definitions: later, said } = await open()
      assert.deepEqual(later.names, ['good'])
      assert.equal(later.get('good')?.versions.get(1)?.text, 'name: good')
      assert.equal(said.length, rubbish.length)
    }))

  it('are missing for a swarm whose pointer names a missing version', () =>
    onLog(async (_, open) => {
      const { definitions } = await open()
      await definitions.put(versionOf('a', 1), false)
      await definitions.point({ swarm: 'a', version: 7, paused: false, created_at: 1, updated_at: 1 })
      assert.deepEqual((await open()).definitions.names, [])
    }))

  it('let one of two servers change a swarm at a time', () =>
    onLog(async (_, open) => {
      const [a, b] = [(await open()).definitions, (await open()).definitions]
      const claims = await Promise.allSettled([a.claim('x'), b.claim('x')])
      assert.deepEqual(claims.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
      const won = claims.flatMap((claim) => (claim.status === 'fulfilled' ? [claim.value] : []))[0]
      await assert.rejects(b.claim('x'), { code: 'WAGGLE_SWARM_BUSY' })
      await won?.end()
      const next = await b.claim('x')
      assert.equal(next.now?.phase, 'open')
      await next.end()
    }))

  it('keep the pointer that came first, and write it again behind one that came too late', () =>
    onLog(async (log, open) => {
      const { definitions } = await open()
      const a = (await open()).definitions
      await definitions.put(versionOf('a', 1), false)
      await definitions.put(versionOf('a', 2), false)
      const producer = await log.producer()
      const late = { swarm: 'a', version: 1, paused: true, created_at: 1, updated_at: 1, revision: 2 }
      const key = Buffer.from('a')
      await producer.send({ topic: definitionsTopic, partition: 0, key, value: Buffer.from(JSON.stringify(late)), headers: [], timestamp: 1 })
      while ((a.get('a')?.pointer.revision ?? 0) < 3) await a.next('a')
      // Compaction would leave the last one alone.
      for (const one of [definitions, a, (await open()).definitions]) {
        const { version, paused } = one.get('a')?.pointer ?? {}
        assert.deepEqual({ version, paused }, { version: 2, paused: false })
      }
    }))

  it('keep the last twenty versions of a swarm', () =>
    onLog(async (_, open) => {
      const { definitions } = await open()
      for (let version = 1; version <= 22; version++) await definitions.put(versionOf('a', version), false)
      assert.deepEqual([...((await open()).definitions.get('a')?.versions.keys() ?? [])][0], 3)
    }))
})
