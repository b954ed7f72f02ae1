import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { it } from 'node:test'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

it('A server takes a changed file of tokens and new limits of callers at SIGHUP, and names the settings that need a restart', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-reload-'))
  const tokens = join(root, 'tokens.txt')
  const write = (token: string, settings: string) => {
    writeFileSync(tokens, `op=${token}:manage\n`)
    writeFileSync(join(root, 'waggle.yaml'), settings)
  }
  write('first-0123456789abcd', 'log_level: info\n')
  const env = { ...process.env, WAGGLE_HTTP_PORT: '0', WAGGLE_GRPC_PORT: '0', WAGGLE_DATA_DIR: join(root, 'data'), WAGGLE_TOKENS_FILE: tokens }
  const server = spawn(process.execPath, [main, 'serve'], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(async () => {
    const gone = once(server, 'exit')
    if (server.exitCode === null && server.kill('SIGTERM')) await gone
    rmSync(root, { recursive: true })
  })
  const lines: string[] = []
  let heard = Promise.withResolvers<void>()
  for (const stream of [server.stdout, server.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line)
      heard.resolve()
    })
  const ended = once(server, 'exit').then(() => assert.fail(`the server ended: ${lines.join('\n')}`))
  ended.catch(() => {})
  const line = async (pattern: RegExp) => {
    for (;;) {
      const found = lines.map((one) => pattern.exec(one)).find((one) => one !== null)
      if (found !== undefined) return found
      heard = Promise.withResolvers()
      await Promise.race([heard.promise, ended])
    }
  }
  const [url] = await line(/http:\/\/127\.0\.0\.1:\d+/)
  const statusOf = async (token: string) => (await fetch(`${url}/v1/swarms`, { headers: { authorization: `Bearer ${token}` } })).status
  assert.deepEqual([await statusOf('first-0123456789abcd'), await statusOf('second-0123456789abc')], [200, 401])

  write('second-0123456789abc', 'log_level: info\ncaller_rate_per_second: 7\nmax_requests_in_flight: 5\nrate_limit_per_second: 1\n')
  server.kill('SIGHUP')
  await line(/read the settings again; changed: tokens_file, caller_rate_per_second/)
  await line(/max_requests_in_flight has changed, and takes effect at the next start/)
  await line(/rate_limit_per_second has changed, and takes effect at the next start/)
  assert.deepEqual([await statusOf('first-0123456789abcd'), await statusOf('second-0123456789abc')], [401, 200])
})
