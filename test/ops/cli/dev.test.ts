import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { moduleSwarm } from '../../support/server-here.ts'
import { eventually } from '../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describe('waggle dev', () => {
  it('runs each saved change, and reports a mistake while the earlier version continues', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-dev-'))
    const write = (file: string, content: string) => writeFileSync(join(directory, file), content)
    write('work.mjs', 'export default () => 1\n')
    write('swarm.yaml', moduleSwarm('edited', './work.mjs'))
    const env = { WAGGLE_DATA_DIR: join(directory, '.waggle'), WAGGLE_HTTP_PORT: '0' }
    const program = await MeasuredProgram.start([main, 'dev', join(directory, 'swarm.yaml'), '--json'], env)
    try {
      const answers = (expected: unknown) =>
        eventually(async () => {
          const response = await fetch(`${program.ready.gateway}/v1/gateways/edited/request`, { method: 'POST', body: 'x' })
          return response.ok && (await response.json()) === expected
        })
      await answers(1)
      write('work.mjs', 'export default () => 22\n')
      await answers(22)
      write('swarm.yaml', 'name: edited\nbees:\n  - {name: a, type: respnd}\n')
      await eventually(async () => program.lastWords.includes('there is no bee type respnd'))
      await answers(22)
      write('other.mjs', 'export default () => 333\n')
      write('swarm.yaml', moduleSwarm('edited', './other.mjs'))
      await answers(333)
    } finally {
      assert.equal(await program.stop(), 0)
      rmSync(directory, { recursive: true, force: true })
    }
  })

  it('updates once for each save while its output goes into a file of the folder', { timeout: 120_000 }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-dev-'))
    const write = (file: string, content: string) => writeFileSync(join(directory, file), content)
    write('work.mjs', 'export default () => 0\n')
    write('swarm.yaml', moduleSwarm('edited', './work.mjs'))
    const output = openSync(join(directory, 'out.json'), 'a')
    const env = { ...process.env, WAGGLE_DATA_DIR: join(directory, '.waggle'), WAGGLE_HTTP_PORT: '0', WAGGLE_GRPC_PORT: '0' }
    const child = spawn(process.execPath, [main, 'dev', 'swarm.yaml', '--json'], { cwd: directory, env, stdio: ['ignore', output, output] })
    closeSync(output)
    const ended = once(child, 'exit')
    const said = () => readFileSync(join(directory, 'out.json'), 'utf8')
    try {
      const gateway = await eventually(async () => /"gateway":"([^"]+)"/.exec(said())?.[1] ?? null)
      const answers = (expected: unknown) =>
        eventually(async () => {
          const response = await fetch(`${gateway}/v1/gateways/edited/request`, { method: 'POST', body: 'x' })
          return response.ok && (await response.json()) === expected
        })
      await answers(0)
      const updates = () => said().match(/runs as it was saved/g)?.length ?? 0
      const before = updates()
      for (const value of [1, 2, 3]) {
        write('work.mjs', `export default () => ${value}\n`)
        await answers(value)
        await eventually(async () => updates() === before + value)
      }
      // A log, a picture and many files of a program are no reason for an update, and are written before the save that is one.
      for (let at = 0; at < 50; at++) write(`written-${at}.txt`, 'x')
      write('work.mjs', 'export default () => 4\n')
      await answers(4)
      await eventually(async () => updates() >= before + 4)
      // An update that follows its own output would come while these requests are answered.
      for (let request = 0; request < 500; request++) await answers(4)
      assert.equal(updates(), before + 4, said())
    } finally {
      child.kill('SIGTERM')
      assert.deepEqual(await ended, [0, null], said())
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
