import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Guardian } from '../../../connectors/processes/guardian.ts'
import { requirementsOf as allowedRequirementsOf } from '../../../connectors/python/requirements.ts'
import { VirtualEnvironments } from '../../../connectors/python/virtual-environments.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

/**
 * A stand-in for Python. It copies itself into each new environment, and records each installation. A package `broken` cannot be installed, and the
 * installation of `slow` waits for the file `go`.
 */
const python = `#!/bin/sh
root=$(dirname "$(dirname "$0")")
if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; exit 0; fi
if [ "$1" = -c ]; then echo parsed > "$4"; exit 0; fi
for list; do :; done
echo "$*" >> "$(dirname "$root")/installed"
if grep -q slow "$list"; then while [ ! -e "$(dirname "$root")/go" ]; do sleep 0.05; done; fi
if grep -q broken "$list"; then for line in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do echo "line $line"; done; echo "ERROR: no package broken" >&2; exit 1; fi
`

const requirementsOf = (named: string | null, beeFile: string) => allowedRequirementsOf(named, beeFile, 'anything')

describe('A virtual environment', () => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-environments-'))
  after(() => rmSync(root, { recursive: true }))
  const program = join(root, 'python3')
  writeFileSync(program, python, { mode: 0o755 })
  const interpreter = { executable: program, version: '3.11.7' }
  let folders = 0

  function place(requirements: string, name = 'requirements.txt', more: string | null = null) {
    const folder = join(root, `bee-${folders++}`)
    mkdirSync(folder)
    writeFileSync(join(folder, name), requirements)
    if (more !== null) writeFileSync(join(folder, 'more.txt'), more)
    const found = requirementsOf(null, join(folder, 'bee.py'))
    assert.ok(found !== null)
    return found
  }

  function environments(name: string, { signal = new AbortController().signal, path = '' } = {}) {
    const directory = join(root, name)
    const lines: string[] = []
    const guardian = new Guardian({ finishMs: 0, termMs: 0 })
    const made = new VirtualEnvironments({ directory, clock: systemClock, guardian, signal, path })
    const installed = () => (existsSync(join(directory, 'installed')) ? readFileSync(join(directory, 'installed'), 'utf8').trim().split('\n') : [])
    return {
      directory,
      lines,
      installed,
      use: (requirements: ReturnType<typeof place>) => made.use(interpreter, requirements, (line) => lines.push(line)),
    }
  }

  it('is made once, and is used again by a later process', async () => {
    const requirements = place('numpy==2\n')
    const first = environments('once')
    const { python: made, release } = await first.use(requirements)
    assert.match(first.lines[0] ?? '', /making a Python 3\.11\.7 environment of .*requirements\.txt with venv and pip, once/)
    await release()
    const second = environments('once')
    const again = await second.use(requirements)
    assert.equal(again.python, made)
    assert.deepEqual(second.lines, [])
    await again.release()
    assert.equal(first.installed().length, 1)
    assert.match(first.installed()[0] ?? '', /-m pip install .* -r .*requirements\.txt$/)
  })

  it('changes with the requirements and the files that they include, but not with comments or other folders', async () => {
    const { use } = environments('keys')
    const included = place('-r more.txt\nnumpy', 'requirements.txt', 'scipy')
    const made = new Set<string>()
    const add = async (requirements: typeof included) => {
      const { python: own, release } = await use(requirements)
      await release()
      made.add(own)
      return made.size
    }
    assert.equal(await add(place('numpy')), 1)
    assert.equal(await add(place('# which we need\n\nnumpy   # for arrays\n')), 1)
    assert.equal(await add(place('numpy\nscipy')), 2)
    const bee = join(included.file, '..', 'bee.py')
    const withMore = () => requirementsOf(null, bee) as typeof included
    assert.equal(await add(withMore()), 3)
    writeFileSync(join(included.file, '..', 'more.txt'), 'scipy==1')
    assert.equal(await add(withMore()), 4)
  })

  it('is never used before it is complete', async () => {
    const requirements = place('numpy')
    const { use, directory } = environments('half')
    const { python: made, release } = await use(requirements)
    await release()
    const [pointer] = readdirSync(directory).filter((name) => name.endsWith('.json'))
    rmSync(join(directory, pointer ?? ''))
    const again = await use(requirements)
    assert.notEqual(again.python, made)
    assert.ok(!existsSync(made), 'the half-made one is gone')
    await again.release()
  })

  it('is made again if its Python no longer exists', async () => {
    const requirements = place('numpy')
    const { use } = environments('gone')
    const { python: made, release } = await use(requirements)
    await release()
    rmSync(made)
    const again = await use(requirements)
    assert.ok(existsSync(again.python))
    await again.release()
  })

  it('is made by one of two processes, while the other process waits and reports the wait', async () => {
    const requirements = place('slow')
    const one = environments('two')
    const other = environments('two')
    const made = [one.use(requirements), other.use(requirements)]
    while (one.installed().length === 0 || one.lines.length + other.lines.length < 2) await new Promise((resolve) => setImmediate(resolve))
    writeFileSync(join(one.directory, 'go'), '')
    const [first, second] = await Promise.all(made)
    assert.equal(first?.python, second?.python)
    assert.equal(one.installed().length, 1)
    assert.ok([...one.lines, ...other.lines].some((line) => /waiting for another process, which makes the Python environment/.test(line)))
    await Promise.all([first?.release(), second?.release()])
  })

  it('comes from the process that took over if the first process seemed dead', async () => {
    const requirements = place('slow')
    const one = environments('taken-over')
    const other = environments('taken-over')
    const first = one.use(requirements)
    while (one.installed().length < 1) await new Promise((resolve) => setImmediate(resolve))
    const [lock = ''] = readdirSync(one.directory).filter((name) => name.endsWith('.lock'))
    writeFileSync(join(one.directory, lock), 'dead 1')
    const second = other.use(requirements)
    while (one.installed().length < 2) await new Promise((resolve) => setImmediate(resolve))
    writeFileSync(join(one.directory, 'go'), '')
    const made = await Promise.all([first, second])
    assert.equal(made[0].python, made[1].python)
    assert.ok(existsSync(made[0].python))
    await Promise.all(made.map(({ release }) => release()))
  })

  it('is not deleted if another process has begun it since the lock was taken', async () => {
    const requirements = place('numpy')
    const { use, directory } = environments('younger')
    await (await use(requirements)).release()
    const [pointer = ''] = readdirSync(directory).filter((name) => name.endsWith('.json'))
    rmSync(join(directory, pointer))
    const younger = join(directory, pointer.replace('.json', '-abcd'))
    mkdirSync(younger)
    const later = Date.now() / 1000 + 60
    utimesSync(younger, later, later)
    await (await use(requirements)).release()
    assert.ok(existsSync(younger))
  })

  it('leaves nothing behind if it cannot be made, shows the last lines of the installer, and is tried again', async () => {
    const requirements = place('broken')
    const { use, directory } = environments('broken')
    for (let attempt = 0; attempt < 2; attempt++) {
      await assert.rejects(use(requirements), (error: unknown) => {
        assert.ok(error instanceof WaggleError)
        assert.equal(error.code, 'WAGGLE_PYTHON_ENVIRONMENT')
        assert.match(error.message, /requirements\.txt cannot be made: python -m pip install … ended with status 1:\n/)
        assert.match(error.message, /ERROR: no package broken/)
        assert.ok(error.message.split('\n').length <= 13, error.message)
        return true
      })
    }
    assert.deepEqual(readdirSync(directory).sort(), ['installed', 'users'])
  })

  it('stops its installation if the process stops', async () => {
    const requirements = place('slow')
    const abort = new AbortController()
    const { use, installed } = environments('stopped', { signal: abort.signal })
    const using = use(requirements)
    while (installed().length === 0) await new Promise((resolve) => setImmediate(resolve))
    abort.abort()
    await assert.rejects(using, { code: 'WAGGLE_STOPPING' })
  })

  it('has the dependencies of a pyproject.toml', async () => {
    const requirements = place('[project]\nname = "bee"\ndependencies = ["numpy"]\n', 'pyproject.toml')
    const { use, installed, directory } = environments('project')
    const { release } = await use(requirements)
    await release()
    const list = /-r (\S+)$/.exec(installed()[0] ?? '')?.[1] ?? ''
    assert.ok(list.startsWith(directory))
    assert.equal(readFileSync(list, 'utf8'), 'parsed\n')
  })

  for (const tool of ['venv and pip', 'uv'])
    it(`is made by ${tool} from the checked lines alone, away from the settings beside the requirements`, async () => {
      const folder = join(root, `checked-${folders++}`)
      mkdirSync(folder)
      const uv = `#!/bin/sh\nif [ "$1" = venv ]; then for place; do :; done; mkdir -p "$place/bin"; cp ${program} "$place/bin/python"; fi\necho "$PWD: $*" >> ${folder}/said`
      if (tool === 'uv') writeFileSync(join(folder, 'uv'), uv, { mode: 0o755 })
      writeFileSync(join(folder, 'requirements.txt'), '# ours\nnumpy ==2\n-c limits.txt\n')
      writeFileSync(join(folder, 'limits.txt'), 'scipy<2\n')
      const requirements = allowedRequirementsOf(null, join(folder, 'bee.py'), 'packages')
      assert.ok(requirements !== null)
      const { use, directory, installed } = environments(`checked-${tool}`, { path: folder })
      const { python: made, release } = await use(requirements)
      const environment = join(made, '..', '..')
      const files = ['requirements.txt', 'constraints.txt'].map((name) => readFileSync(join(environment, name), 'utf8'))
      assert.deepEqual(files, ['numpy ==2\n', 'scipy<2\n'])
      const calls = tool === 'uv' ? readFileSync(join(folder, 'said'), 'utf8').trim().split('\n') : installed()
      const lists = `-r ${environment}/requirements.txt -c ${environment}/constraints.txt`
      assert.ok(calls.at(-1)?.endsWith(lists), calls.at(-1))
      if (tool === 'uv') assert.equal(calls.at(-1), `${directory}: pip install --python ${made} --no-config ${lists}`)
      await release()
    })

  it('is made with uv if uv is in PATH', async () => {
    const folder = join(root, 'with-uv')
    mkdirSync(folder)
    const uv = `#!/bin/sh\nif [ "$1" = venv ]; then for place; do :; done; mkdir -p "$place/bin"; cp ${program} "$place/bin/python"; fi\necho "$*" >> ${folder}/said`
    writeFileSync(join(folder, 'uv'), uv, { mode: 0o755 })
    const { use, lines, installed } = environments('uv', { path: folder })
    const { python: made, release } = await use(place('numpy'))
    await release()
    assert.match(lines[0] ?? '', /with uv, once/)
    assert.deepEqual(installed(), [])
    const [venv, pip] = readFileSync(join(folder, 'said'), 'utf8').split('\n')
    assert.match(venv ?? '', new RegExp(`^venv .*--python ${program} `))
    assert.match(pip ?? '', new RegExp(`^pip install --python ${made} -r .*requirements.txt$`))
  })
})
