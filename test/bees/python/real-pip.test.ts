import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { pythonEnvironment } from '../../support/python-environment.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

/**
 * Writes a wheel with one module. Its arguments are the path, the name of package and module, and the source. A wheel is an archive with three files
 * of metadata.
 */
const writeWheel = `
import sys, zipfile
path, name, source = sys.argv[1:]
info = name + "-1.0.dist-info/"
with zipfile.ZipFile(path, "w") as wheel:
    wheel.writestr(name + ".py", source)
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: " + name + "\\nVersion: 1.0\\nKeywords: waggle-bee\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "".join(part + ",,\\n" for part in (name + ".py", info + "METADATA", info + "WHEEL", info + "RECORD")))
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
  before(() => execFileSync('python3', ['-c', writeWheel, wheel, 'tiny', 'value = 42\n']))

  const lists = {
    'requirements.txt': `--no-index\n--find-links ${folder}\ntiny==1.0\n`,
    'pyproject.toml': `[project]\nname = "work"\nversion = "1"\ndependencies = ["tiny @ ${pathToFileURL(wheel)}"]\n`,
  }
  const uv = withoutPip === false ? pythonEnvironment('python-uv-1', [['uv>=0.9']]) : { missing: withoutPip }
  const tools = [
    { tool: 'venv and pip', path: process.env.PATH ?? '', skip: isHere('uv') ? 'uv is in PATH' : false },
    // The folder of uv also contains a different python3 than PATH, so a folder that contains only uv is made.
    { tool: 'uv', path: `${join(folder, 'bin')}${delimiter}${process.env.PATH}`, skip: 'missing' in uv ? uv.missing : false },
  ]
  before(() => {
    mkdirSync(join(folder, 'bin'))
    if ('python' in uv) symlinkSync(join(dirname(uv.python), 'uv'), join(folder, 'bin', 'uv'))
  })

  /** A swarm whose tools are found in these folders. */
  async function withPath(path: string | undefined, files: { readonly [name: string]: string }, look: (swarm: SwarmHere) => Promise<void>) {
    const before_ = process.env.PATH
    process.env.PATH = path
    // The cache of uv would hide a change of a wheel.
    process.env.UV_NO_CACHE = '1'
    try {
      await using swarm = await SwarmHere.open({ WAGGLE_PYTHON_REQUIREMENTS: 'anything' }, { bees, files })
      await look(swarm)
    } finally {
      process.env.PATH = before_
      delete process.env.UV_NO_CACHE
    }
  }

  for (const { tool, path, skip } of tools)
    for (const [name, text] of Object.entries(lists))
      it(`gets a package of its ${name} by ${tool} itself, without any network`, { skip }, async () => {
        await withPath(path, { 'work.py': work, [name]: text }, async (swarm) => {
          assert.equal(await (await swarm.ask(1)).json(), 42)
          const said = swarm.said.join('\n')
          assert.match(said, new RegExp(`^info making a Python [\\d.]+ environment of .*${name} with ${tool}, once$`, 'm'))
          assert.match(said, /^info made the environment in [\d.]+ s$/m)
        })
      })

  const [pip, fast] = tools
  it('gets packages alone by default, from the index that the operator has configured', { skip: pip?.skip ?? false }, async () => {
    process.env.PIP_NO_INDEX = '1'
    process.env.PIP_FIND_LINKS = folder
    try {
      await using swarm = await SwarmHere.open({}, { bees, files: { 'work.py': work, 'requirements.txt': 'tiny ==1.0  # ours\n' } })
      assert.equal(await (await swarm.ask(1)).json(), 42)
    } finally {
      delete process.env.PIP_NO_INDEX
      delete process.env.PIP_FIND_LINKS
    }
  })

  const { path, skip } = fast?.skip === false ? fast : (pip ?? { path: '', skip: 'there is no installer' })

  it('does not start without a package that its pyproject.toml names, and the error has the words of the installer', { skip }, async () => {
    const none = pathToFileURL(join(folder, 'no-1.0-py3-none-any.whl'))
    const missing = `[project]\nname = "work"\nversion = "1"\ndependencies = ["tiny @ ${none}"]\n`
    await assert.rejects(
      withPath(path, { 'work.py': work, 'pyproject.toml': missing }, async () => {}),
      {
        code: 'WAGGLE_PYTHON_ENVIRONMENT',
        message: /pyproject\.toml cannot be made: .* ended with status \d+:\n[\s\S]*no-1\.0-py3-none-any\.whl/,
      },
    )
  })

  it('may come from a package, which is refused if its hash differs from the hash in the requirements', { skip }, async () => {
    const packaged = join(folder, 'waggle_bee_words-1.0-py3-none-any.whl')
    const source = (factor: number) =>
      `from waggle import register_bee\n@register_bee(name="work")\ndef work(payload):\n    return len(payload.split()) * ${factor}\n`
    const writePackage = (factor: number) => execFileSync('python3', ['-c', writeWheel, packaged, 'waggle_bee_words', source(factor)])
    writePackage(1)
    const hash = createHash('sha256').update(readFileSync(packaged)).digest('hex')
    const requirements = `--no-index\n--find-links ${folder}\nwaggle-bee-words==1.0 --hash=sha256:${hash}\n`
    const files = { 'work.py': 'import waggle_bee_words\n', 'requirements.txt': requirements }
    await withPath(path, files, async (swarm) => assert.equal(await (await swarm.ask('three short words')).json(), 3))
    writePackage(2)
    await assert.rejects(
      withPath(path, files, async () => {}),
      { code: 'WAGGLE_PYTHON_ENVIRONMENT', message: /[Hh]ash/ },
    )
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
