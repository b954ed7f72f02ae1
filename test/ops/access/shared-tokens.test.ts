import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { ServerTokens } from '../../../ops/access/server-tokens.ts'
import { SharedTokens } from '../../../ops/access/shared-tokens.ts'
import type { Log } from '../../../processor/ports.ts'
import { tokensTopic } from '../../../topology/topic-names.ts'

interface Cluster {
  readonly log: Log
  /** Opens the tokens as one more server does. */
  open(): Promise<{ readonly tokens: ServerTokens; readonly shared: SharedTokens; readonly said: string[] }>
  /** Writes a record as a stranger could. */
  write(key: string, value: string | null): Promise<void>
}

async function onCluster(test: (cluster: Cluster) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-shared-tokens-'))
  const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock: systemClock })
  const opened: SharedTokens[] = []
  try {
    await test({
      log,
      async open() {
        const said: string[] = []
        const shared = await SharedTokens.open({ log, clock: systemClock, say: (_, __, message) => void said.push(message) })
        opened.push(shared)
        const tokens = new ServerTokens({ tokens: null, tokens_file: null, data_dir: join(directory, String(opened.length)) }, systemClock)
        tokens.share(shared)
        return { tokens, shared, said }
      },
      async write(key, value) {
        const producer = await log.producer()
        const bytes = value === null ? null : Buffer.from(value)
        await producer.send({ topic: tokensTopic, partition: 0, key: Buffer.from(key), value: bytes, headers: [], timestamp: 0 })
        await producer.close()
      },
    })
  } finally {
    for (const shared of opened) await shared.close()
    await log.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Creates a token for the sake of its record: whoever creates a token has read all earlier records. */
async function caughtUp(shared: SharedTokens): Promise<void> {
  const name = `mark-${randomUUID()}`
  await shared.create({ name, scopes: ['read'], nowMs: 0 })
}

async function callerOf(tokens: ServerTokens, secret: string): Promise<string | null> {
  return (await tokens.find(secret))?.name ?? null
}

describe('Tokens of a cluster', () => {
  it('are valid at every server, and at a server that starts later, until any server revokes them', () =>
    onCluster(async ({ open }) => {
      const [one, other] = [await open(), await open()]
      assert.deepEqual([one.tokens.areKnown, other.tokens.areKnown], [false, false])
      const { token, ...row } = await one.tokens.create('web', ['read', 'ask:*'], 3)
      await caughtUp(other.shared)
      const later = await open()
      for (const { tokens } of [one, other, later]) {
        assert.equal(await callerOf(tokens, token), 'token:web')
        assert.deepEqual(tokens.list()[0], row)
        assert.ok(tokens.names.includes('web'))
      }
      await later.tokens.revoke('web')
      await caughtUp(one.shared)
      for (const { tokens } of [one, later]) assert.equal(await callerOf(tokens, token), null)
      await assert.rejects(one.tokens.revoke('web'), { code: 'WAGGLE_UNKNOWN_TOKEN' })
    }))

  it('leave every server closed after the last one is revoked', () =>
    onCluster(async ({ open }) => {
      const one = await open()
      await one.tokens.create('web', ['read'])
      await one.tokens.revoke('web')
      const later = await open()
      assert.deepEqual([later.tokens.areKnown, later.tokens.list()], [true, []])
    }))

  it('have different names: of two that are created at once, the earlier one counts at each server', () =>
    onCluster(async ({ open }) => {
      const servers = [await open(), await open(), await open()]
      const made = await Promise.allSettled(servers.map(({ tokens }) => tokens.create('web', ['read'])))
      const valid = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value.token] : []))
      assert.equal(valid.length, 1)
      for (const one of made) if (one.status === 'rejected') assert.equal((one.reason as { code: string }).code, 'WAGGLE_TOKEN_EXISTS')
      for (const { tokens, shared } of [...servers, await open()]) {
        await caughtUp(shared)
        assert.equal(await callerOf(tokens, valid[0] ?? ''), 'token:web')
        assert.equal(tokens.list().filter(({ name }) => name === 'web').length, 1)
      }
    }))

  it('leave none of their name behind when they are revoked, not even one that a server left when it died', () =>
    onCluster(async ({ open, write }) => {
      const { tokens, shared } = await open()
      await tokens.create('web', ['read'])
      const left = { name: 'web', scopes: ['read'], created_at: '', sha256: 'ab'.repeat(32) }
      await write(left.sha256, JSON.stringify(left))
      await caughtUp(shared)
      await tokens.revoke('web')
      await caughtUp(shared)
      assert.deepEqual(
        tokens.list().filter(({ name }) => name === 'web'),
        [],
      )
    }))

  it('lie in the topic without their secrets', () =>
    onCluster(async ({ log, open }) => {
      const { tokens } = await open()
      const { token } = await tokens.create('web', ['read'])
      const [{ end } = { end: 0 }] = (await log.topic(tokensTopic))?.offsets ?? []
      let found = ''
      for await (const { records } of log.read({ topic: tokensTopic, partition: 0, from: 0, to: end }))
        for (const { key, value } of records) found += `${Buffer.from(key ?? [])} ${Buffer.from((value as Uint8Array | null) ?? [])}\n`
      assert.match(found, /"name":"web"/)
      assert.equal(found.includes(token) || found.includes(token.slice(4)), false)
    }))

  it('skip records that Waggle did not write, and say so', () =>
    onCluster(async ({ open, write }) => {
      const { tokens, shared, said } = await open()
      const hash = 'ab'.repeat(32)
      const fields = { name: 'evil', scopes: ['manage'], created_at: '', sha256: 'cd'.repeat(32) }
      for (const [key, value] of [
        ['web', '{}'],
        ['', 'x'],
        [hash, 'no JSON'],
        [hash, '[]'],
        [hash, '{"name":"evil"}'],
        [hash, JSON.stringify(fields)],
        [hash, JSON.stringify({ ...fields, sha256: hash, scopes: ['everything'] })],
        [hash, JSON.stringify({ ...fields, sha256: hash, name: '(local)' })],
        [hash, JSON.stringify({ ...fields, sha256: hash, created_at: 'x'.repeat(70_000) })],
        [hash, '['.repeat(50_000)],
      ] as const)
        await write(key, value)
      await caughtUp(shared)
      assert.equal(said.length, 10)
      for (const line of said) assert.match(line, /^a record of waggle\.tokens is skipped: its (key is no hash|value is no token)/)
      assert.deepEqual(
        tokens.list().filter(({ name }) => !name.startsWith('mark-')),
        [],
      )
    }))
})
