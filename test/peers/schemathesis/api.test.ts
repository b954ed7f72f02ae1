import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { pythonEnvironment } from '../../support/python-environment.ts'
import { moduleSwarm, ServerHere } from '../../support/server-here.ts'

const version = '4.32.5'
const found = pythonEnvironment(`schemathesis-${version}`, [[`schemathesis==${version}`]])
const missing = 'missing' in found && process.env.CI !== 'true' ? found.missing : false

it('schemathesis gets no answer from a server with swarms that the server’s API description does not allow', {
  skip: missing,
  timeout: 300_000,
}, async () => {
  assert.ok('python' in found, 'missing' in found ? found.missing : '')
  const secret = 'robot-0123456789abc'
  await using server = await ServerHere.open({
    WAGGLE_TOKENS: `robot=${secret}:manage,ask:*`,
    WAGGLE_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
  })
  server.write('work.mjs', 'export default (input) => input\n')
  const headers = { authorization: `Bearer ${secret}` }
  for (const name of ['one', 'two']) {
    const made = await fetch(`${server.url}/v1/swarms`, { method: 'POST', body: moduleSwarm(name, './work.mjs'), headers })
    assert.equal(made.status, 201)
  }
  // A new directory for each run. The cache of examples in an old directory would make runs differ.
  const directory = mkdtempSync(join(tmpdir(), 'waggle-schemathesis-'))
  try {
    const { status, printed } = await run(found.python, server.url, secret, directory)
    assert.equal(status, 0, printed.slice(-20_000))
    const { paths } = (await (await fetch(`${server.url}/openapi.json`, { headers })).json()) as {
      readonly paths: { readonly [path: string]: object }
    }
    const described = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    const report = readFileSync(join(directory, 'report.xml'), 'utf8')
    const tested = new Set([...report.matchAll(/<testcase name="([A-Z]+ [^"]+)"/g)].map(([, operation = '']) => operation))
    const left = described.filter((operation) => !tested.has(operation))
    assert.deepEqual(left.toSorted(), untested)
    const failures = server.said.filter((line) => line.startsWith('error'))
    assert.deepEqual(failures, [])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

/** `schemathesis.toml` has the reason of each. */
const untested = ['POST /v1/backups', 'POST /v1/debug/profile']

function run(python: string, url: string, secret: string, cwd: string): Promise<{ readonly status: number | null; readonly printed: string }> {
  const config = join(import.meta.dirname, 'schemathesis.toml')
  const argv = [
    '-m',
    'schemathesis.cli',
    '--config-file',
    config,
    'run',
    `${url}/openapi.json`,
    '--no-color',
    '--report',
    'junit',
    '--report-junit-path',
    join(cwd, 'report.xml'),
    '--header',
    `Authorization: Bearer ${secret}`,
  ]
  const child = spawn(python, argv, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
  return new Promise((settle) => child.once('close', (status) => settle({ status, printed })))
}
