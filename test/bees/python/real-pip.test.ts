import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { pythonEnvironment } from '../../support/python-environment.ts'
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
  const wheel = join(folder, 'tiny-1.0-py3-none-any.whl')
  before(() => execFileSync('python3', ['-c', writeWheel, wheel]))

  const lists = {
    'requirements.txt': `--no-index\n--find-links ${folder}\ntiny==1.0\n`,
    'pyproject.toml': `[project]\nname = "work"\nversion = "1"\ndependencies = ["tiny @ ${pathToFileURL(wheel)}"]\n`,
  }
  const uv = withoutPip === false ? pythonEnvironment('python-uv-1', [['uv>=0.9']]) : { missing: withoutPip }
  const tools = [
    { tool: 'venv and pip', path: process.env.PATH ?? '', skip: isHere('uv') ? 'uv is in PATH' : false },
    // The folder of uv has a python3 too, which would be another one than that of PATH, so a folder with uv alone is made.
    { tool: 'uv', path: `${join(folder, 'bin')}${delimiter}${process.env.PATH}`, skip: 'missing' in uv ? uv.missing : false },
  ]
  before(() => {
    mkdirSync(join(folder, 'bin'))
    if ('python' in uv) symlinkSync(join(dirname(uv.python), 'uv'), join(folder, 'bin', 'uv'))
  })

  for (const { tool, path, skip } of tools)
    for (const [name, text] of Object.entries(lists))
      it(`gets a package of its ${name} by ${tool} itself, without any network`, { skip }, async () => {
        const before_ = process.env.PATH
        process.env.PATH = path
        try {
          await using swarm = await SwarmHere.open({}, { bees, files: { 'work.py': work, [name]: text } })
          assert.equal(await (await swarm.ask(1)).json(), 42)
          const said = swarm.said.join('\n')
          assert.match(said, new RegExp(`^info making a Python [\\d.]+ environment of .*${name} with ${tool}, once$`, 'm'))
          assert.match(said, /^info made the environment in [\d.]+ s$/m)
        } finally {
          process.env.PATH = before_
        }
      })

  it('does not start without a package that its pyproject.toml names, and the error has the words of the installer', {
    skip: tools[1]?.skip ?? false,
  }, async () => {
    const missing = `[project]\nname = "work"\nversion = "1"\ndependencies = ["tiny @ ${pathToFileURL(join(folder, 'no-1.0-py3-none-any.whl'))}"]\n`
    const before_ = process.env.PATH
    process.env.PATH = tools[1]?.path
    try {
      await assert.rejects(SwarmHere.open({}, { bees, files: { 'work.py': work, 'pyproject.toml': missing } }), {
        code: 'WAGGLE_PYTHON_ENVIRONMENT',
        message: /pyproject\.toml cannot be made: uv pip install --python … ended with status \d+:\n[\s\S]*no-1\.0-py3-none-any\.whl/,
      })
    } finally {
      process.env.PATH = before_
    }
  })
})

function isHere(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
