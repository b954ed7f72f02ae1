import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { pythonEnvironment } from '../../support/python-environment.ts'
import { sdkEnvironment, sdkPython } from '../../support/python-sdk.ts'
import { type WheelContent, writeWheel } from '../../support/python-wheel.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const main = join(root, 'ops', 'cli', 'main.ts')
const swarm = (type: string, spec: string) => `name: texts
bees:
  - {name: input, type: gateway-input, spec: {name: texts}}
  - {name: count, type: ${type}, timeout_seconds: 60, input: {name: input}, spec: ${spec}}
  - {name: answer, type: respond, input: {name: count}}
`
const source = (declared = '', more = '') => `${more}from waggle import register_bee
@register_bee(name="tally", summary="Counts words.", delivery="It only computes.",
    spec={"type": "object", "properties": {"factor": {"type": "integer", "description": "Multiplies the count."}}, "additionalProperties": False}${declared})
def tally(payload: str, context) -> int:
    return len(payload.split()) * context.spec.get("factor", 1)
`
const tally: WheelContent = { name: 'waggle-bee-tally', source: source(), bees: ['tally = waggle_bee_tally:tally'] }

const python = skipWithoutPython === false ? sdkPython() : { missing: skipWithoutPython }
const uv = skipWithoutPython === false ? pythonEnvironment('python-uv-1', [['uv>=0.9']]) : { missing: skipWithoutPython }
const skip = 'missing' in python ? python.missing : 'missing' in uv ? uv.missing : false

describe('waggle bees add, for a Python package', { skip }, () => {
  // All tests share one environment in which pip resolves packages, because making it takes long.
  const shared = mkdtempSync(join(tmpdir(), 'waggle-python-shelf-'))
  const index = join(shared, 'index')
  const offline = { PIP_NO_INDEX: '1', PIP_FIND_LINKS: index, UV_OFFLINE: '1', UV_FIND_LINKS: index, UV_NO_CACHE: '1' }
  let directory: string
  before(() => {
    mkdirSync(join(shared, 'bin'))
    if ('python' in uv) symlinkSync(join(dirname(uv.python), 'uv'), join(shared, 'bin', 'uv'))
  })
  after(() => rmSync(shared, { recursive: true }))
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-shelf-'))
    mkdirSync(index)
    mkdirSync(join(directory, 'dist'))
    writeFileSync(join(directory, 'swarm.yaml'), swarm('tally', '{factor: 2}'))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true })
    rmSync(index, { recursive: true })
  })

  /** Runs a command with or without uv. Both uv and pip find packages only in the folder `index`. */
  function waggle(argv: readonly string[], { data = join(shared, 'data'), path = [join(shared, 'bin')] } = {}) {
    const env = { ...process.env, PATH: [...path, process.env.PATH].join(delimiter), WAGGLE_DATA_DIR: data, ...offline }
    return spawnSync(process.execPath, [main, ...argv], { cwd: directory, encoding: 'utf8', env })
  }
  function added(...argv: readonly string[]): string {
    const { status, stdout, stderr } = waggle(['bees', 'add', ...argv])
    assert.equal(status, 0, stderr)
    return stdout
  }
  function refused(argv: readonly string[], said: RegExp, options = {}): void {
    const { status, stderr } = waggle(argv, options)
    assert.match(stderr, said)
    assert.equal(status, 1)
  }
  const lock = () => JSON.parse(readFileSync(join(directory, 'bees.lock.json'), 'utf8'))
  const valid = () => assert.equal(waggle(['validate', 'swarm.yaml']).status, 0)
  /** A swarm that has only the lock file and its wheels, and makes its environment again. */
  async function elsewhere(type: string, spec: string, look: (swarm: SwarmHere) => Promise<void>): Promise<void> {
    const kept = existsSync(join(directory, 'bees.wheels')) ? readdirSync(join(directory, 'bees.wheels')) : []
    const names = ['bees.lock.json', ...kept.map((name) => join('bees.wheels', name))]
    const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(directory, name))]))
    const bees = `  - {name: count, type: ${type}, timeout_seconds: 60, input: {name: entrance}, spec: ${spec}}\n  - {name: answer, type: respond, input: {name: count}}`
    const own = { PATH: [join(shared, 'bin'), process.env.PATH].join(delimiter), ...offline }
    const were = Object.keys(own).map((name) => [name, process.env[name]] as const)
    Object.assign(process.env, own)
    try {
      await using swarm = await SwarmHere.open({}, { bees, files })
      await look(swarm)
    } finally {
      for (const [name, value] of were)
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
    }
  }

  it('adds the wheel of a package of bees new --python by venv and pip: the test passes, and a swarm runs the bee', async () => {
    const { status, stdout } = waggle(['bees', 'new', 'waggle-bee-hello', '--python'])
    assert.equal(status, 0)
    assert.match(stdout, /waggle_bee_hello\/__init__\.py[\s\S]*\.venv\/bin\/pip install pytest \S+\/sdk -e \.\n {2}\.venv\/bin\/pytest/)
    const own = join(directory, 'waggle-bee-hello')
    const run = (...argv: readonly string[]) =>
      spawnSync('python' in python ? python.python : '', ['-m', ...argv], { cwd: own, encoding: 'utf8', env: sdkEnvironment })
    assert.match(run('pytest', '-q', '-p', 'no:cacheprovider').stdout, /2 passed/)
    assert.equal(run('build', '--wheel', '--no-isolation', '--outdir', '../dist', '.').status, 0)
    writeFileSync(join(directory, 'swarm.yaml'), swarm('hello', '{greeting: Welcome}'))
    refused(['validate', 'swarm.yaml'], /swarm\.yaml:4:\d+: there is no bee type hello/)
    const add = waggle(['bees', 'add', 'dist/waggle_bee_hello-0.1.0-py3-none-any.whl'], { path: [] })
    assert.equal(add.stdout, 'hello of waggle-bee-hello 0.1.0: Greets the name in its input.\nIt is in bees.lock.json.\n', add.stderr)
    valid()
    assert.match(waggle(['bees', 'catalog', 'hello']).stdout, /greeting \(string, default "Hello"\)\n +The word before the name\./)
    await elsewhere('hello', '{greeting: Welcome}', async (swarm) => {
      assert.deepEqual(await (await swarm.ask({ name: 'Bea' })).json(), { text: 'Welcome, Bea!' })
      assert.equal((await swarm.ask({})).status, 422)
    })
    writeFileSync(join(directory, 'swarm.yaml'), swarm('hello', '{greetin: Welcome}'))
    refused(['validate', 'swarm.yaml'], /swarm\.yaml:4:\d+: .*greetin.*greeting/)
  })

  it('pins a name of the index and its dependencies, and the installer refuses a file that has changed since', async () => {
    writeWheel(index, { ...tally, needs: ['tiny'], source: source('', 'import tiny\n') })
    writeWheel(index, { name: 'tiny', source: 'value = 1\n' })
    refused(
      ['bees', 'add', 'waggle-bee-tally'],
      /npm install waggle-bee-tally\. For a package of the Python index: waggle bees add waggle-bee-tally --python/,
    )
    added('waggle-bee-tally==1.0', '--python')
    const { wheels } = lock().bees.tally.python
    assert.deepEqual(wheels.map(({ name, version, file = null }: Record<string, unknown>) => [name, version, file]).sort(), [
      ['tiny', '1.0', null],
      ['waggle-bee-tally', '1.0', null],
    ])
    assert.equal(existsSync(join(directory, 'bees.wheels')), false)
    await elsewhere('tally', '{factor: 2}', async (swarm) => assert.equal(await (await swarm.ask('three short words')).json(), 6))
    writeWheel(index, { name: 'tiny', source: 'value = 2\n' })
    valid()
    const data = join(directory, 'data')
    for (const path of [[], [join(shared, 'bin')]])
      refused(['run', 'swarm.yaml'], /bees\.lock\.json cannot be made[\s\S]*[Hh]ash[\s\S]*someone has changed it/i, { data, path })
  })

  it('builds a folder, keeps the wheel beside the lock file, and refuses a changed or missing wheel', () => {
    const own = join(directory, 'own')
    mkdirSync(own)
    const built = writeWheel(join(directory, 'dist'), tally)
    // The package builds itself, so the test needs no build tool from the network.
    writeFileSync(
      join(own, 'pyproject.toml'),
      '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "waggle-bee-tally"\nversion = "1.0"\n',
    )
    writeFileSync(
      join(own, 'backend.py'),
      `import os, shutil\ndef build_wheel(folder, settings=None, metadata=None):\n    return os.path.basename(shutil.copy(${JSON.stringify(built)}, folder))\n`,
    )
    assert.match(added('./own'), /^tally of waggle-bee-tally 1\.0: Counts words\./)
    const wheel = join(directory, 'bees.wheels', 'waggle_bee_tally-1.0-py3-none-any.whl')
    assert.deepEqual(readFileSync(wheel), readFileSync(built))
    valid()
    appendFileSync(wheel, 'more')
    for (const argv of [
      ['validate', 'swarm.yaml'],
      ['run', 'swarm.yaml'],
      ['plan', 'swarm.yaml'],
    ])
      refused(argv, /The wheel .*bees\.wheels.* of waggle-bee-tally 1\.0 is not the one of bees\.lock\.json/)
    rmSync(wheel)
    refused(['validate', 'swarm.yaml'], /its wheel .* is missing/)
    cpSync(built, wheel)
    valid()
  })

  it('refuses other content under the same version, and replaces the old version by a new version', () => {
    const dist = join(directory, 'dist')
    added(writeWheel(dist, tally))
    const changed = { ...tally, source: `${tally.source}# changed\n` }
    refused(
      ['bees', 'add', writeWheel(dist, changed)],
      /The wheel of waggle-bee-tally 1\.0 is not the one of bees\.lock\.json[\s\S]*give it a new version/,
    )
    assert.match(added(writeWheel(dist, { ...changed, version: '2.0' })), /waggle-bee-tally 2\.0 \(before: 1\.0\)/)
    assert.deepEqual(readdirSync(join(directory, 'bees.wheels')), ['waggle_bee_tally-2.0-py3-none-any.whl'])
    valid()
  })

  it('refuses other content of a dependency under the same version, also for another package', () => {
    const dist = join(directory, 'dist')
    writeWheel(index, { name: 'tiny', source: 'value = 1\n' })
    added(writeWheel(dist, { ...tally, needs: ['tiny'] }))
    const before = readFileSync(join(directory, 'bees.lock.json'), 'utf8')
    writeWheel(index, { name: 'tiny', source: 'value = 2\n' })
    const other = { ...tally, name: 'waggle-bee-other', source: tally.source.replace('name="tally"', 'name="other"'), needs: ['tiny'] }
    for (const wheel of [
      { ...tally, version: '2.0', needs: ['tiny'] },
      { ...other, bees: ['other = waggle_bee_other:tally'] },
    ])
      refused(['bees', 'add', writeWheel(dist, wheel)], /The wheel of tiny 1\.0 is not the one of bees\.lock\.json[\s\S]*someone else has changed it/)
    assert.equal(readFileSync(join(directory, 'bees.lock.json'), 'utf8'), before)
  })

  it('refuses a type whose name exists already, and dependencies that contradict each other', () => {
    const dist = join(directory, 'dist')
    added(writeWheel(dist, tally))
    const other = { ...tally, name: 'waggle-bee-other', bees: ['tally = waggle_bee_other:tally'] }
    refused(['bees', 'add', writeWheel(dist, other)], /has the bee type tally from waggle-bee-tally/)
    const batch = { ...other, source: other.source.replace('name="tally"', 'name="batch"'), bees: ['batch = waggle_bee_other:tally'] }
    refused(['bees', 'add', writeWheel(dist, batch)], /There is a bee type batch already/)
    for (const [name, version] of [
      ['left', '1.0'],
      ['right', '2.0'],
    ] as const) {
      writeWheel(index, { name, source: '', needs: [`tiny==${version}`] })
      writeWheel(index, { name: 'tiny', version, source: '' })
    }
    refused(['bees', 'add', writeWheel(dist, { ...other, needs: ['left', 'right'] })], /conflicting dependencies[\s\S]*contradict each other/)
  })

  it('takes a type out again by bees remove, with the wheels that no other type needs', () => {
    const dist = join(directory, 'dist')
    const both = `${tally.source}@register_bee(name="twice", summary="Doubles.", delivery="It only computes.", spec={"type": "object"})\ndef twice(payload): return payload * 2\n`
    added(writeWheel(dist, { ...tally, source: both, bees: [...(tally.bees ?? []), 'twice = waggle_bee_tally:twice'] }))
    const kept = () => readdirSync(join(directory, 'bees.wheels'))
    refused(['bees', 'remove', 'waggle-bee-tally'], /swarm\.yaml:4:\d+: A bee has the type tally here/)
    assert.equal(waggle(['bees', 'remove', 'twice']).stdout, 'twice of waggle-bee-tally 1.0\nIt is no longer in bees.lock.json.\n')
    assert.deepEqual([Object.keys(lock().bees), kept().length], [['tally'], 1])
    valid()
    rmSync(join(directory, 'swarm.yaml'))
    assert.equal(waggle(['bees', 'remove', 'tally']).status, 0)
    assert.deepEqual([Object.keys(lock().bees), kept()], [[], []])
  })

  it('refuses a package that is missing or is not a bee, and names the next step', () => {
    const dist = join(directory, 'dist')
    const wrong = (change: Partial<WheelContent>, said: RegExp) => refused(['bees', 'add', writeWheel(dist, { ...tally, ...change })], said)
    refused(['bees', 'add', 'waggle-bee-gone', '--python'], /waggle-bee-gone cannot be added: pip install[\s\S]*Check the name and the version/)
    refused(['bees', 'add', '--python', '--', '--index-url=http://127.0.0.1'], /is neither a wheel, a folder with a pyproject\.toml, nor a name/)
    refused(['bees', 'add', 'gone.whl'], /There is no wheel gone\.whl/)
    writeFileSync(join(directory, 'broken-1.0-py3-none-any.whl'), 'no archive')
    refused(['bees', 'add', 'broken-1.0-py3-none-any.whl'], /cannot be added: pip install/)
    wrong({ keywords: 'other' }, /lacks the keyword waggle-bee[\s\S]*keywords = \["waggle-bee"\]/)
    wrong({ bees: [] }, /has no entry point in the group waggle\.bees[\s\S]*waggle_bee_words:words/)
    wrong({ bees: ['tall = waggle_bee_tally:tally'] }, /the entry point tall is the bee tally/)
    wrong({ source: 'def tally(payload): pass\n' }, /is no function with @register_bee/)
    wrong({ source: 'raise ValueError("not today")\n' }, /ValueError: not today/)
    wrong({ source: 'import os\nos._exit(7)\n' }, /ends its process while it loads \(status 7\)/)
    wrong({ source: 'import numpie\n' }, /No module named 'numpie'[\s\S]*Add the missing package to the dependencies/)
    wrong({ source: tally.source.replace('summary="Counts words.", ', '') }, /waggle_bee_tally\.py:\d+: @register_bee of tally lacks summary/)
    wrong({ source: tally.source.replace('"type": "integer"', '"type": "intege"') }, /spec of tally is no JSON Schema/)
    wrong(
      { source: source(', examples=[{"factor": "two"}]') },
      /the example \{"factor":"two"\} of tally does not fit its spec: spec\/factor must be integer/,
    )
    assert.equal(existsSync(join(directory, 'bees.lock.json')), false)
  })

  it('refuses a lock file whose Python entry does not have the form that bees add writes', () => {
    added(writeWheel(join(directory, 'dist'), tally))
    const good = lock()
    for (const change of [{ name: 'tally\n--index-url=http://127.0.0.1' }, { sha256: 'abc' }, { file: '../elsewhere.whl' }]) {
      const [wheel] = good.bees.tally.python.wheels
      const python_ = { ...good.bees.tally.python, wheels: [{ ...wheel, ...change }] }
      writeFileSync(join(directory, 'bees.lock.json'), JSON.stringify({ ...good, bees: { tally: { ...good.bees.tally, python: python_ } } }))
      refused(['validate', 'swarm.yaml'], /bees\.lock\.json is not a lock file of bees/)
    }
  })
})
