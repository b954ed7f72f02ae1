import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describe('waggle import', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-import-command-'))
  after(() => rmSync(directory, { recursive: true }))
  const waggle = (...args: readonly string[]) => spawnSync(process.execPath, [main, ...args], { cwd: directory, encoding: 'utf8' })

  it('writes a swarm that validate accepts, names the remaining work, and overwrites no file', () => {
    writeFileSync(
      join(directory, 'config.pbtxt'),
      'name: "echo"\nmax_batch_size: 4\ninput { name: "X" }\noutput { name: "Y" }\nensemble_scheduling { step { model_name: "m" input_map { key: "X" value: "X" } output_map { key: "Y" value: "Y" } } }\n',
    )
    const made = waggle('import', 'config.pbtxt', '--output', 'swarm.yaml')
    assert.equal(made.status, 0, made.stderr)
    assert.match(made.stderr, /^config\.pbtxt:2:1: warning: max_batch_size has no equal; /m)
    assert.match(readFileSync(join(directory, 'swarm.yaml'), 'utf8'), /^# Imported from config\.pbtxt\.\n#\n# Left to do:\n# config\.pbtxt:/)
    const valid = waggle('validate', 'swarm.yaml')
    assert.equal(valid.status, 0, valid.stderr)
    assert.equal(waggle('import', 'config.pbtxt', '--output', 'swarm.yaml').status, 1)
    const { left, swarm } = JSON.parse(waggle('import', 'config.pbtxt', '--json').stdout) as { left: readonly { line: number }[]; swarm: string }
    assert.deepEqual([left[0]?.line, left.length, /type: respond/.test(swarm)], [2, 2, true])
  })

  it('exits with 1, and prints a line with the place, for a wrong file', () => {
    writeFileSync(join(directory, 'wrong.yaml'), 'kind: Pipeline\nspec: {steps: [{name: a, inputs: [b]}]}\n')
    const { status, stderr } = waggle('import', 'wrong.yaml')
    assert.equal(status, 1)
    assert.match(stderr, /wrong\.yaml:2:16: b names no step of this pipeline/)
    assert.equal(waggle('import').status, 2)
  })
})
