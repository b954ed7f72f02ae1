import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
})
