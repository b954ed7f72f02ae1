import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, it } from 'node:test'

const root = resolve(import.meta.dirname, '..', '..', '..')
const main = join(root, 'ops', 'cli', 'main.ts')

/** Blocks the thread of the process for ever, as native code does during a computation. */
const blocked = `import { writeSync } from 'node:fs'\nconst block = () => { writeSync(2, 'blocked\\n'); for (;;) {} }\n`

describe('A second stop signal', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-signal-'))
  const running = new Set<ChildProcess>()
  after(() => {
    for (const child of running) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })

  /** Runs a swarm with one module. `onReady` gets the gateway's address. */
  function run(name: string, module: string, onReady: (child: ChildProcess, gateway: string) => void) {
    writeFileSync(join(directory, `${name}.mjs`), blocked + module)
    const file = join(directory, `${name}.yaml`)
    const bees = `  - {name: in, type: gateway-input, spec: {name: door}}\n  - {name: work, type: module, input: {name: in}, spec: {file: ./${name}.mjs}}\n`
    writeFileSync(file, `name: ${name}\nbees:\n${bees}  - {name: out, type: respond, input: {name: work}}\n`)
    const child = spawn(process.execPath, [main, 'run', file, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, WAGGLE_DATA_DIR: join(directory, `data-${name}`), WAGGLE_HTTP_PORT: '0', WAGGLE_PARTITIONS: '1' },
    })
    running.add(child)
    if (child.stdout !== null)
      createInterface(child.stdout).on('line', (line) => {
        const { event, gateway } = JSON.parse(line) as { readonly event: string; readonly gateway: string }
        if (event === 'ready') onReady(child, gateway)
      })
    const isBlocked = new Promise<void>((settle) => {
      if (child.stderr !== null) createInterface(child.stderr).on('line', (line) => line === 'blocked' && settle())
    })
    const ended = new Promise<{ readonly code: number | null; readonly signal: string | null }>((settle) =>
      child.once('exit', (code, signal) => {
        running.delete(child)
        settle({ code, signal })
      }),
    )
    return { child, isBlocked, ended }
  }

  const ask = (gateway: string) =>
    void fetch(`${gateway}/v1/gateways/door/request`, { method: 'POST', body: '1', headers: { 'content-type': 'application/json' } }).catch(() => {})

  it('ends a process whose thread is blocked while the process waits for requests', { timeout: 60_000 }, async () => {
    const module = `process.once('SIGTERM', () => setTimeout(block, 700))\nexport default () => { process.kill(process.pid, 'SIGTERM'); return new Promise(() => {}) }`
    const { child, isBlocked, ended } = run('waiting', module, (_, gateway) => ask(gateway))
    await isBlocked
    child.kill('SIGTERM')
    assert.deepEqual(await ended, { code: null, signal: 'SIGTERM' })
  })

  it('ends a process whose thread is blocked by an exit handler', { timeout: 60_000 }, async () => {
    const module = `process.once('exit', block)\nexport default () => 1`
    const { child, isBlocked, ended } = run('exiting', module, (started) => started.kill('SIGTERM'))
    await isBlocked
    child.kill('SIGINT')
    assert.deepEqual(await ended, { code: null, signal: 'SIGINT' })
  })
})
