import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { Definitions } from '../../../ops/served/definitions.ts'
import { bytesIn, type Clock, type Log } from '../../../processor/ports.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { definitionsTopic } from '../../../topology/topic-names.ts'

let made = 0
const newId = () => (++made).toString(16).padStart(16, '0')
const versionOf = (swarm: string, version: number) => ({ swarm, version, created_at: 1, text: `name: ${swarm}`, file: 'swarm.yaml', directory: '.' })

/** Makes a version the one to run, in a separate change. */
async function put(definitions: Definitions, version: ReturnType<typeof versionOf>, paused: boolean): Promise<void> {
  const claim = await definitions.claim(version.swarm)
  await definitions.put(version, paused, claim)
  await claim.end()
}

async function onLog(
  test: (log: Log, open: (clock?: Clock) => Promise<{ readonly definitions: Definitions; readonly said: string[] }>) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-definitions-'))
  const log = await openEmbeddedLog({ directory, clock: systemClock })
  const opened: Definitions[] = []
  try {
    await test(log, async (clock = systemClock) => {
      const said: string[] = []
      const definitions = await Definitions.open({ log, clock, say: (_, __, message) => void said.push(message), newId })
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
      await put(definitions, versionOf('a', 1), false)
      await put(definitions, versionOf('a', 2), true)
      await put(definitions, versionOf('b', 1), false)
      const claim = await definitions.claim('b')
      await definitions.delete('b', claim)
      await claim.end()
      const later = (await open()).definitions
      assert.deepEqual(later.names, ['a'])
      const found = later.get('a')
      assert.deepEqual({ version: found?.pointer.version, paused: found?.pointer.paused }, { version: 2, paused: true })
      assert.deepEqual([...(found?.versions.keys() ?? [])], [1, 2])
      assert.equal(later.nextVersion('a'), 3)
    }))

  it('leave out records that Waggle did not write, and report each of these records', () =>
    onLog(async (log, open) => {
      const { definitions } = await open()
      await put(definitions, versionOf('good', 1), false)
      const withFiles = (files: unknown) => JSON.stringify({ ...versionOf('good', 1), text: 'name: other', change: 1_000_000, files })
      const rubbish: readonly (readonly [string | null, string | null])[] = [
        ['good@1', withFiles([])],
        ['good@1', withFiles({ 'bear.ts': 'no hash' })],
        ['good@1', withFiles(Object.fromEntries(Array.from({ length: 501 }, (_, at) => [at, '0'.repeat(32)])))],
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
      await put(definitions, versionOf('a', 1), false)
      const claim = await definitions.claim('a')
      await definitions.point({ swarm: 'a', version: 7, paused: false, created_at: 1, updated_at: 1 }, claim)
      await claim.end()
      assert.deepEqual((await open()).definitions.names, [])
    }))

  it('allow only one of two servers at a time to change a swarm', () =>
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

  it('keep the first of two pointers, and write it again after the late pointer', () =>
    onLog(async (log, open) => {
      const { definitions } = await open()
      const a = (await open()).definitions
      await put(definitions, versionOf('a', 1), false)
      await put(definitions, versionOf('a', 2), false)
      const producer = await log.producer()
      const late = { swarm: 'a', version: 1, paused: true, created_at: 1, updated_at: 1, revision: 2 }
      const key = Buffer.from('a')
      await producer.send({ topic: definitionsTopic, partition: 0, key, value: Buffer.from(JSON.stringify(late)), headers: [], timestamp: 1 })
      while ((a.get('a')?.pointer.revision ?? 0) < 3) await a.next('a')
      // Compaction would keep only the last pointer.
      for (const one of [definitions, a, (await open()).definitions]) {
        const { version, paused } = one.get('a')?.pointer ?? {}
        assert.deepEqual({ version, paused }, { version: 2, paused: false })
      }
    }))

  it('can still be changed after a stranger has written any numbers to their topic', () =>
    onLog(async (log, open) => {
      const { definitions } = await open()
      const producer = await log.producer()
      const write = async (key: string, value: object) =>
        producer.send({
          topic: definitionsTopic,
          partition: 0,
          key: Buffer.from(key),
          value: Buffer.from(JSON.stringify(value)),
          headers: [],
          timestamp: 1,
        })
      const highest = { version: 7, paused: true, created_at: 1, updated_at: 1, revision: Number.MAX_SAFE_INTEGER }
      await write('first', highest)
      await put(definitions, versionOf('first', 8), false)
      await put(definitions, versionOf('later', 1), false)
      await write('later', highest)
      await write('later@999999999', versionOf('later', 999_999_999))
      await put(definitions, versionOf('later', 2), false)
      for (const one of [definitions, (await open()).definitions]) {
        assert.deepEqual([one.get('first')?.pointer.version, one.get('later')?.pointer.version], [8, 2])
        assert.equal(one.nextVersion('later'), 3)
      }
    }))

  it('keep the last twenty versions of a swarm', () =>
    onLog(async (_, open) => {
      const { definitions } = await open()
      for (let version = 1; version <= 22; version++) await put(definitions, versionOf('a', version), false)
      assert.deepEqual([...((await open()).definitions.get('a')?.versions.keys() ?? [])][0], 3)
    }))
})

/** A change of the swarm `a` by a server that falls silent, so that the other server ends the change. */
async function endedChange(open: (clock?: Clock) => Promise<{ readonly definitions: Definitions }>) {
  const clock = new SimulatedClock()
  const silent = (await open(new SimulatedClock())).definitions
  const other = (await open(clock)).definitions
  await put(other, versionOf('a', 1), false)
  const claim = await silent.claim('a')
  while (other.claimOfOthers('a') === null) await other.next('a')
  // The change as the server knows it when the server stops for some seconds.
  const before = { ...claim }
  await clock.advance(9000)
  while (other.claimOfOthers('a') !== null) await other.next('a')
  while (claim.now !== null) await silent.next('a')
  return { silent, other, claim, before }
}

/** The text in the last of `count` records with this key; null if that record ends the version. */
async function lastText(log: Log, key: string, count: number): Promise<string | null> {
  const reader = log.read({ topic: definitionsTopic, partition: 0, from: 0 })
  const found: (string | null)[] = []
  for await (const { records } of reader) {
    for (const record of records) {
      if (record.key === null || Buffer.from(record.key).toString() !== key) continue
      const bytes = bytesIn(record.value)
      found.push(bytes === null ? null : (JSON.parse(Buffer.from(bytes).toString()) as { text: string }).text)
    }
    if (found.length >= count) break
  }
  await reader.close()
  return found.at(-1) ?? null
}

describe('A server whose change of a swarm was ended by another server', () => {
  const text = (version: number, words: string) => ({ ...versionOf('a', version), text: words })

  it('writes no version and no pointer', () =>
    onLog(async (_, open) => {
      const { silent, other, claim } = await endedChange(open)
      const pointer = other.get('a')?.pointer
      assert.ok(pointer)
      const busy = { code: 'WAGGLE_SWARM_BUSY' }
      await assert.rejects(silent.put(versionOf('a', 2), false, claim), busy)
      await assert.rejects(silent.write(versionOf('a', 2), claim), busy)
      await assert.rejects(silent.point({ ...pointer, paused: true }, claim), busy)
      await assert.rejects(silent.delete('a', claim), busy)
      await claim.end()
      assert.deepEqual((await open()).definitions.get('a')?.pointer, pointer)
    }))

  it('writes a pointer that is ignored, if it writes before it reads the end of its change', () =>
    onLog(async (_, open) => {
      const { silent, other, before } = await endedChange(open)
      await assert.rejects(silent.put(text(2, 'late'), false, before), { code: 'WAGGLE_SWARM_BUSY' })
      for (const one of [silent, other, (await open()).definitions]) assert.equal(one.get('a')?.pointer.version, 1)
    }))

  it('does not replace the text of a version that the other server has written since', () =>
    onLog(async (log, open) => {
      const { silent, other, before } = await endedChange(open)
      await put(other, text(2, 'runs'), false)
      await silent.write(text(2, 'late'), before)
      // After compaction, the last text of the topic is the only text.
      const last = await lastText(log, 'a@2', 4)
      assert.equal(last, 'runs')
      for (const one of [silent, other, (await open()).definitions]) assert.equal(one.version('a', 2)?.text, 'runs')
    }))

  it('does not delete the version that the other server has written since', () =>
    onLog(async (log, open) => {
      const { silent, other, before } = await endedChange(open)
      await put(other, text(2, 'runs'), false)
      await silent.withdraw(text(2, 'late'), before)
      assert.equal(await lastText(log, 'a@2', 4), 'runs')
      for (const one of [silent, other, (await open()).definitions]) assert.equal(one.get('a')?.versions.get(2)?.text, 'runs')
    }))

  it('writes a text that is ignored, even if its text comes first', () =>
    onLog(async (_, open) => {
      const { silent, other, before } = await endedChange(open)
      const claim = await other.claim('a')
      await silent.write(text(2, 'late'), before)
      await other.put(text(2, 'runs'), false, claim)
      await claim.end()
      for (const one of [silent, other, (await open()).definitions]) assert.equal(one.version('a', 2)?.text, 'runs')
    }))

  it('does not regain the change by a renewal that was already on its way', () =>
    onLog(async (log, open) => {
      const { silent, other, claim, before } = await endedChange(open)
      const value = Buffer.from(JSON.stringify({ ...before.now }))
      const producer = await log.producer()
      await producer.send({ topic: definitionsTopic, partition: 0, key: Buffer.from(`a!${before.now?.id}`), value, headers: [], timestamp: 1 })
      while (other.claimOfOthers('a') === null) await other.next('a')
      // A write settles when it is read back, and all earlier records have been read by then.
      await silent.withdraw(versionOf('a', 9), before)
      assert.equal(claim.now, null)
    }))
})
