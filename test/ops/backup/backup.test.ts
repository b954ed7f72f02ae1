import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { restoreBackup } from '../../../ops/backup/restore.ts'
import { ServerHere } from '../../support/server-here.ts'

/** A swarm that counts its requests, answers each request with the count, and saves a row for each request. */
const counting = `name: counting
bees:
  - {name: entrance, type: gateway-input, spec: {name: counting}}
  - {name: count, type: streams, input: {name: entrance}, spec: {file: ./count.mjs}}
  - {name: label, type: module, input: {name: entrance}, spec: {file: ./label.mjs}}
  - {name: answer, type: respond, input: {name: count}}
  - {name: save, type: save-to-database, input: {stack: [label]}, spec: {table: labels}}
`
const modules: { readonly [file: string]: string } = {
  'count.mjs': `export default {
  connect: (input) =>
    input
      .map((id) => ['all', { id }])
      .groupByKey()
      .aggregate(() => ({ id: '', count: 0 }), (_, { id }, { count }) => ({ id, count: count + 1 }))
      .toStream()
      .map((_, { id, count }) => [id, count]),
}
`,
  'label.mjs': "export default ({ number }) => ({ label: number % 2 ? 'odd' : 'even', scores: { odd: number % 2, even: 1 - (number % 2) } })\n",
}
const key = Buffer.alloc(32, 7).toString('base64')
const env = { WAGGLE_SECRETS_KEY: key }

function folder(): string {
  return mkdtempSync(join(tmpdir(), 'waggle-backup-'))
}

function withModules(server: ServerHere): void {
  for (const [file, text] of Object.entries(modules)) server.write(file, text)
}

describe('A backup of a running server', () => {
  const root = folder()
  const backup = join(root, 'backup')
  let server: ServerHere
  /** The answers that were given before the backup began, by request id. */
  const answered = new Map<string, string>()

  before(async () => {
    server = await ServerHere.open(env)
    withModules(server)
    assert.equal((await server.call('POST', '/v1/swarms', counting)).status, 201)
    assert.equal((await server.call('PUT', '/v1/secrets/API_KEY', 'hidden')).status, 204)
    const ask = async (number: number, padding = '') => {
      const response = await server.ask('counting', { number, padding })
      assert.equal(response.status, 200, await response.clone().text())
      return [response.headers.get('x-request-id') ?? '', await response.text()] as const
    }
    // Values above 16 KiB are in files beside the database.
    for (let number = 0; number < 50; number++) answered.set(...(await ask(number, number % 10 === 0 ? 'x'.repeat(40_000) : '')))
    let isOver = false
    const callers = Array.from({ length: 4 }, async (_, caller) => {
      for (let number = 100 + caller; !isOver; number += 4) await ask(number)
    })
    const { status, body } = await server.call('POST', '/v1/backups', JSON.stringify({ directory: backup }))
    isOver = true
    await Promise.all(callers)
    assert.equal(status, 201, JSON.stringify(body))
  })
  after(async () => {
    await server[Symbol.asyncDispose]()
    rmSync(root, { recursive: true })
  })

  it('contains every answer that was given before, and the state that belongs to the answers', { timeout: 180_000 }, async () => {
    const data = join(root, 'restored')
    await restoreBackup({ from: backup, dataDirectory: data })
    await using restored = await ServerHere.open({ ...env, WAGGLE_DATA_DIR: data })
    withModules(restored)
    await restored.stop()
    await restored.start()
    assert.deepEqual((await restored.call('GET', '/v1/swarms/counting')).status, 200)
    for (const [id, answer] of answered) {
      const { body } = await restored.call('GET', `/v1/requests/${id}`)
      const { state, answer: found } = body as { readonly state: string; readonly answer: unknown }
      assert.deepEqual({ state, answer: found }, { state: 'answered', answer: JSON.parse(answer) })
    }
    // Each request is counted once: the next answer is the number of requests in the log.
    const requests = async () => {
      const { body } = await restored.call('GET', '/v1/topics')
      const topic = (body as readonly { readonly name: string; readonly offsets: readonly { readonly end: number }[] }[]).find(
        ({ name }) => name === 'waggle.gateway.counting',
      )
      return topic?.offsets.reduce((sum, { end }) => sum + end, 0)
    }
    const next = JSON.stringify(await restored.answer('counting', { number: 1 }))
    assert.equal(next, String(await requests()))
    const rows = await untilRows(restored, await requests())
    assert.equal(rows, await requests())
    assert.deepEqual((await restored.call('GET', '/v1/secrets')).body, [{ name: 'API_KEY' }])
  })

  it('is closed to other users of the machine', () => {
    const modeOf = (...path: readonly string[]) => statSync(join(backup, ...path)).mode & 0o777
    assert.deepEqual([modeOf('data'), modeOf('data', 'secrets.json')], [0o700, 0o600])
  })

  it('can also be written and restored by the commands', { timeout: 180_000 }, async () => {
    await server.stop()
    const [copy, data] = [join(root, 'by-command'), join(root, 'data-by-command')]
    const waggle = (argv: readonly string[], variables: { readonly [name: string]: string }) =>
      spawnSync(process.execPath, [join(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts'), ...argv], {
        env: { ...process.env, ...variables },
        encoding: 'utf8',
      })
    const written = waggle(['backup', copy, '--json'], { WAGGLE_DATA_DIR: join(server.root, 'data') })
    assert.equal(written.status, 0, written.stderr)
    const restored = waggle(['restore', copy, '--json'], { WAGGLE_DATA_DIR: data })
    assert.equal(restored.status, 0, restored.stderr)
    assert.equal(JSON.parse(restored.stdout).files, JSON.parse(written.stdout).files)
    assert.equal(statSync(join(data, 'secrets.json')).mode & 0o777, 0o600)
    const again = waggle(['restore', copy], { WAGGLE_DATA_DIR: data })
    assert.equal(again.status, 1)
    assert.match(again.stderr, /has files.*Move these files away/)
    await server.start()
  })

  it('is refused if its directory contains files, is inside the data directory, or is not an absolute path', async () => {
    const put = async (directory: unknown) => {
      const { status, body } = await server.call('POST', '/v1/backups', JSON.stringify({ directory }))
      return [status, (body as { readonly code: string }).code]
    }
    assert.deepEqual(await put(backup), [409, 'WAGGLE_BACKUP_PLACE'])
    assert.deepEqual(await put(join(server.root, 'data', 'backup')), [409, 'WAGGLE_BACKUP_PLACE'])
    symlinkSync(join(server.root, 'data'), join(root, 'link'))
    assert.equal((await put(join(root, 'link', 'backup')))[1], 'WAGGLE_BACKUP_PLACE')
    assert.deepEqual(await put('backup'), [400, 'WAGGLE_BAD_REQUEST'])
    assert.deepEqual(await put(5), [400, 'WAGGLE_BAD_REQUEST'])
    assert.equal(existsSync(join(server.root, 'data', 'backup')), false)
  })

  it('leaves nothing behind when the disk is full, and the server continues', async (test) => {
    const disk = join(root, 'disk')
    mkdirSync(disk)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).status !== 0)
      return test.skip('a small tmpfs cannot be mounted here (it takes root)')
    try {
      const { status, body } = await server.call('POST', '/v1/backups', JSON.stringify({ directory: join(disk, 'backup') }))
      assert.deepEqual([status, (body as { readonly code: string }).code], [503, 'WAGGLE_DISK_FULL'])
      assert.deepEqual(readdirSync(disk), [])
      assert.equal((await server.ask('counting', { number: 1 })).status, 200)
    } finally {
      spawnSync('umount', [disk])
    }
  })

  it('is not restored when one of its files is damaged or missing, or when a newer Waggle wrote it', async () => {
    const file = join(backup, 'data', 'log', 'mark')
    const manifest = join(backup, 'backup.json')
    const [mark, list] = [readFileSync(file), readFileSync(manifest, 'utf8')]
    const restore = () => restoreBackup({ from: backup, dataDirectory: join(root, 'never') })
    const flipped = Buffer.from(mark)
    flipped[5] = (flipped[5] ?? 0) ^ 1
    writeFileSync(file, flipped)
    await assert.rejects(restore(), { code: 'WAGGLE_BACKUP_DAMAGED', message: /log\/mark has other bytes/ })
    writeFileSync(file, mark)
    appendFileSync(file, 'more')
    await assert.rejects(restore(), { code: 'WAGGLE_BACKUP_DAMAGED' })
    rmSync(file)
    await assert.rejects(restore(), { code: 'WAGGLE_BACKUP_DAMAGED', message: /log\/mark is missing/ })
    writeFileSync(file, mark)
    const damages: readonly (readonly [code: string, text: string])[] = [
      ['WAGGLE_BACKUP_DAMAGED', list.slice(0, -10)],
      ['WAGGLE_BACKUP_DAMAGED', list.replace('log/mark', 'log/mask')],
      ['WAGGLE_BACKUP_DAMAGED', list.replace('"log/mark"', '"../../outside"')],
      ['WAGGLE_DATA_FORMAT', list.replace('"format": 1', '"format": 2')],
    ]
    for (const [code, text] of damages) {
      writeFileSync(manifest, text)
      await assert.rejects(restore(), { code })
    }
    rmSync(manifest)
    await assert.rejects(restore(), { code: 'WAGGLE_NO_BACKUP' })
    writeFileSync(manifest, list)
    assert.deepEqual(
      readdirSync(root).filter((name) => name.startsWith('never')),
      [],
    )
    await restore()
    assert.ok(existsSync(join(root, 'never', 'log', 'mark')))
  })
})

/** Asks the database of a server until it has at least this number of rows. */
async function untilRows(server: ServerHere, count = 0): Promise<number> {
  for (;;) {
    const response = await fetch(`${server.clickhouseUrl}/?query=${encodeURIComponent('SELECT count() FROM labels')}`)
    const rows = Number(await response.text())
    if (rows >= count) return rows
    await new Promise((settle) => setTimeout(settle, 20))
  }
}
