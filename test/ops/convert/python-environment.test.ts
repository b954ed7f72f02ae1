import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ended, pythonEnvironment } from '../../../ops/convert/python-environment.ts'

/**
 * A stand-in for Python. It copies itself into each new environment, and records the packages that pip installs. A package `broken` cannot be
 * installed.
 */
const python = `#!/bin/sh
if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; exit 0; fi
case "$*" in *broken*) echo "ERROR: no package broken" >&2; exit 1;; esac
echo "$*" >> "$(dirname "$0")/../installed"
`

describe('A Python environment', () => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-python-'))
  after(() => rmSync(root, { recursive: true }))
  const program = join(root, 'python3')
  writeFileSync(program, python, { mode: 0o755 })

  it('is made once, with all its packages, and is used again', async () => {
    const directory = join(root, 'once')
    const lines: string[] = []
    const open = () => pythonEnvironment({ packages: ['skl2onnx==1', 'onnx==2'], directory, python: program, say: (line) => lines.push(line) })
    const first = await open()
    assert.equal(await open(), first)
    assert.equal(lines.length, 1)
    assert.match(readFileSync(join(first, '..', '..', 'installed'), 'utf8'), /^-m pip install .* skl2onnx==1 onnx==2\n$/)
    const another = await pythonEnvironment({ packages: ['onnx==2'], directory, python: program, say: () => {} })
    assert.notEqual(another, first)
  })

  it('leaves nothing behind if a package cannot be installed, and the error gives the reason', async () => {
    const directory = join(root, 'broken')
    await assert.rejects(pythonEnvironment({ packages: ['broken'], directory, python: program, say: () => {} }), {
      code: 'WAGGLE_MODEL_CONVERSION',
      message: /failed: ERROR: no package broken/,
    })
    assert.deepEqual(readdirSync(directory), [])
  })

  it('cannot be made without Python', async () => {
    const directory = join(root, 'none')
    await assert.rejects(pythonEnvironment({ packages: [], directory, python: join(root, 'nowhere'), say: () => {} }), {
      code: 'WAGGLE_MODEL_CONVERSION',
      next: /^Install python3/,
    })
    assert.ok(!existsSync(join(directory, 'convert')))
  })
})

describe('A program that is run to its end', () => {
  it('returns its output, or an error with the last lines of its error output', async () => {
    assert.equal(await ended('/bin/sh', ['-c', 'echo good; echo bad >&2'], ''), 'good\n')
    const lines = 'for at in 1 2 3 4 5 6 7; do echo line $at >&2; done; exit 3'
    await assert.rejects(ended('/bin/sh', ['-c', lines], 'Correct it.'), { message: '/bin/sh failed: line 3\nline 4\nline 5\nline 6\nline 7' })
    await assert.rejects(ended('/bin/sh', ['-c', 'exit 3'], ''), { message: '/bin/sh failed: it ended with 3' })
  })
})
