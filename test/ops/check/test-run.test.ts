import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

const root = resolve(import.meta.dirname, '..', '..', '..')

describe('An interrupted test run', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-cut-'))
  after(() => rmSync(directory, { recursive: true }))
  const pids = join(directory, 'pids')
  const test = join(directory, 'hangs.test.mjs')
  writeFileSync(
    test,
    `import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { it } from 'node:test'
import { spawnEnding } from '${root}/ops/bench/ending-child.ts'
it('never ends', async () => {
  const plain = spawn('sleep', ['600'], { stdio: 'ignore' })
  const detached = spawnEnding('sleep', ['600'], { stdio: 'ignore' })
  writeFileSync('${pids}', [process.pid, process.ppid, plain.pid, detached.pid].join(' '))
  await new Promise((resolve) => setTimeout(resolve, 600_000))
})
`,
  )
  const program = join(directory, 'run.mjs')
  writeFileSync(
    program,
    `import { runTests } from '${root}/ops/check/test-run.ts'\nprocess.exitCode = await runTests(['--test', '${test}'], { longestMs: Number(process.argv[2]) })\n`,
  )
  const launcher = join(directory, 'launch.mjs')
  writeFileSync(
    launcher,
    `import { spawn } from 'node:child_process'\nspawn(process.execPath, ['${program}', 'Infinity'], { stdio: 'inherit' })\nsetInterval(() => {}, 1000)\n`,
  )

  /** Starts the run outside of this test's own run, and returns the processes of the run. */
  async function started(argv: readonly string[]): Promise<{ readonly child: ChildProcess; readonly all: readonly number[] }> {
    rmSync(pids, { force: true })
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const child = spawn(process.execPath, argv, { stdio: 'ignore', env })
    while (!existsSync(pids) || readFileSync(pids, 'utf8').split(' ').length < 4) await pause(20)
    return { child, all: readFileSync(pids, 'utf8').split(' ').map(Number) }
  }

  const runs = (pid: number) => {
    try {
      // A process that has ended but was not reaped is still listed.
      return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch {
      return false
    }
  }
  const untilGone = async (all: readonly number[]) => {
    while (all.some(runs)) await pause(20)
  }

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
    it(`ended by ${signal} leaves no process behind, not even a process in its own process group`, { timeout: 60_000 }, async () => {
      const { child, all } = await started([program, 'Infinity'])
      assert.equal(all.every(runs), true)
      child.kill(signal)
      await untilGone(all)
    })
  }

  it('leaves no process behind if its parent ends', { timeout: 60_000 }, async () => {
    const { child, all } = await started([launcher])
    child.kill('SIGKILL')
    await untilGone(all)
  })

  it('fails at its own time limit, and leaves no process behind', { timeout: 60_000 }, async () => {
    const { child, all } = await started([program, '3000'])
    await new Promise((settle) => child.once('exit', settle))
    assert.equal(child.exitCode, 1)
    await untilGone(all)
  })
})
