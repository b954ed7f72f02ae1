import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

/** Writes a wheel of the package `tiny`, which has one module. A wheel is an archive with three files of metadata. */
const writeWheel = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    wheel.writestr("tiny.py", "value = 42\\n")
    wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
    wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\\ntiny-1.0.dist-info/METADATA,,\\ntiny-1.0.dist-info/WHEEL,,\\ntiny-1.0.dist-info/RECORD,,\\n")
`
const work = 'import tiny\nfrom waggle import register_bee\n@register_bee(name="work")\ndef work(payload):\n    return tiny.value\n'
const bees = `  - {name: work, type: python, timeout_seconds: 60, input: {name: entrance}, spec: {file: ./work.py, bee: work}}
  - {name: answer, type: respond, input: {name: work}}`

const withoutPip = (() => {
  if (skipWithoutPython !== false) return skipWithoutPython
  try {
    execFileSync('python3', ['-c', 'import ensurepip, venv'], { stdio: 'ignore' })
    return false
  } catch {
    return 'this Python has no venv or no pip'
  }
})()

describe('A Python bee with requirements', { skip: withoutPip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-wheels-'))
  after(() => rmSync(folder, { recursive: true }))
  const requirements = `--no-index\n--find-links ${folder}\ntiny==1.0\n`

  it('gets a package from a wheel by pip itself, without any network', async () => {
    execFileSync('python3', ['-c', writeWheel, join(folder, 'tiny-1.0-py3-none-any.whl')])
    await using swarm = await SwarmHere.open({}, { bees, files: { 'work.py': work, 'requirements.txt': requirements } })
    assert.equal(await (await swarm.ask(1)).json(), 42)
    assert.ok(
      swarm.said.some((line) => /^info made the environment in [\d.]+ s$/.test(line)),
      swarm.said.join('\n'),
    )
  })
})
