import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { SwarmTestDriver } from 'waggle-streams/testing'

const root = resolve(import.meta.dirname, '..', '..', '..')
const words = join(root, 'examples', 'waggle-bee-words')
const swarm = `name: texts
bees:
  - {name: input, type: gateway-input, spec: {name: texts}}
  - {name: count, type: words, input: {name: input}, spec: {field: body}}
  - {name: answer, type: respond, input: {name: count}}
`

describe('waggle bees add', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-shelf-'))
    mkdirSync(join(directory, 'node_modules'))
    symlinkSync(root, join(directory, 'node_modules', 'waggle-streams'))
    installed('waggle-bee-words')
    writeFileSync(join(directory, 'swarm.yaml'), swarm)
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  const installed = (name: string) => cpSync(words, join(directory, 'node_modules', name), { recursive: true })
  const inPackage = (file: string, name = 'waggle-bee-words') => join(directory, 'node_modules', name, file)
  const changed = (file: string, from: string, to: string, name?: string) =>
    writeFileSync(inPackage(file, name), readFileSync(inPackage(file, name), 'utf8').replace(from, to))
  const waggle = (...argv: readonly string[]) =>
    spawnSync(process.execPath, [join(root, 'ops', 'cli', 'main.ts'), ...argv], { cwd: directory, encoding: 'utf8' })
  const refused = (argv: readonly string[], said: RegExp) => {
    const { status, stderr } = waggle(...argv)
    assert.match(stderr, said)
    assert.equal(status, 1)
  }

  it('lets a swarm use the bee type of a package: in validate, in the catalog and in a run', async () => {
    refused(['validate', 'swarm.yaml'], /swarm\.yaml:4:\d+: there is no bee type words/)
    const { status, stdout } = waggle('bees', 'add', 'waggle-bee-words')
    assert.equal(status, 0)
    assert.match(stdout, /^words of waggle-bee-words 0\.1\.0: Counts the words/)
    const { bees } = JSON.parse(readFileSync(join(directory, 'bees.lock.json'), 'utf8'))
    assert.match(bees.words.integrity, /^sha512-[A-Za-z0-9+/]{86}==$/)
    assert.equal(waggle('validate', 'swarm.yaml').status, 0)
    assert.match(waggle('bees', 'catalog', 'words').stdout, /The field of the input that has the text/)
    await using driver = new SwarmTestDriver(join(directory, 'swarm.yaml'))
    assert.deepEqual((await driver.request({ body: 'Two bears.' })).body, { words: 2, sentences: 1, characters: 10 })
    writeFileSync(join(directory, 'swarm.yaml'), swarm.replace('field: body', 'feild: body'))
    refused(['validate', 'swarm.yaml'], /swarm\.yaml:4:\d+: .*feild.*field/)
  })

  it('makes later commands refuse a package whose files have changed, until the files are restored', () => {
    waggle('bees', 'add', 'waggle-bee-words')
    appendFileSync(inPackage('index.js'), '\n// more\n')
    for (const argv of [
      ['validate', 'swarm.yaml'],
      ['run', 'swarm.yaml'],
      ['bees', 'add', 'waggle-bee-words'],
    ])
      refused(argv, /The files of waggle-bee-words 0\.1\.0 are not those of .*bees\.lock\.json/)
    installed('waggle-bee-words')
    assert.equal(waggle('validate', 'swarm.yaml').status, 0)
  })

  it('makes later commands refuse another version until that version is added', () => {
    waggle('bees', 'add', 'waggle-bee-words')
    changed('package.json', '0.1.0', '0.2.0')
    refused(['validate', 'swarm.yaml'], /bees\.lock\.json has waggle-bee-words 0\.1\.0, and 0\.2\.0 is installed/)
    assert.match(waggle('bees', 'add', 'waggle-bee-words').stdout, /0\.2\.0 \(before: 0\.1\.0\)/)
    assert.equal(waggle('validate', 'swarm.yaml').status, 0)
  })

  it('refuses a type whose name already exists, in Waggle or in another package', () => {
    waggle('bees', 'add', 'waggle-bee-words')
    installed('waggle-bee-other')
    changed('package.json', '"waggle-bee-words"', '"waggle-bee-other"', 'waggle-bee-other')
    refused(['bees', 'add', 'waggle-bee-other'], /has the bee type words from waggle-bee-words/)
    changed('index.js', "type: 'words'", "type: 'batch'", 'waggle-bee-other')
    refused(['bees', 'add', 'waggle-bee-other'], /There is a bee type batch already/)
  })

  it('refuses a package that is missing, is not a bee, or cannot be loaded, with the next step for each case', () => {
    refused(['bees', 'add', 'waggle-bee-gone'], /No package waggle-bee-gone is installed .*npm install waggle-bee-gone/)
    refused(['bees', 'add', '../elsewhere'], /"\.\.\/elsewhere" is not the name of an npm package/)
    changed('package.json', '["waggle-bee"]', '[]')
    refused(['bees', 'add', 'waggle-bee-words'], /lacks the keyword waggle-bee/)
    installed('waggle-bee-words')
    writeFileSync(inPackage('index.js'), 'export default 7\n')
    refused(['bees', 'add', 'waggle-bee-words'], /The default export of waggle-bee-words is not a bee type/)
    writeFileSync(inPackage('index.js'), 'throw new Error("not today")\n')
    refused(['bees', 'add', 'waggle-bee-words'], /waggle-bee-words cannot be loaded: not today/)
    writeFileSync(inPackage('index.js'), 'await 1\n')
    refused(['bees', 'add', 'waggle-bee-words'], /waggle-bee-words cannot be loaded: .*await/)
  })

  it('refuses a lock file that waggle bees add did not write', () => {
    writeFileSync(join(directory, 'bees.lock.json'), '{"lockfileVersion": 1, "bees": {"words": {}}}')
    refused(['validate', 'swarm.yaml'], /bees\.lock\.json is not a lock file of bees/)
  })
})

describe('waggle bees remove', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-shelf-'))
    mkdirSync(join(directory, 'node_modules'))
    symlinkSync(root, join(directory, 'node_modules', 'waggle-streams'))
    cpSync(words, join(directory, 'node_modules', 'waggle-bee-words'), { recursive: true })
    waggle('bees', 'add', 'waggle-bee-words')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  function waggle(...argv: readonly string[]) {
    return spawnSync(process.execPath, [join(root, 'ops', 'cli', 'main.ts'), ...argv], { cwd: directory, encoding: 'utf8' })
  }
  const types = () => Object.keys(JSON.parse(readFileSync(join(directory, 'bees.lock.json'), 'utf8')).bees)
  const refused = (argv: readonly string[], said: RegExp) => {
    const { status, stderr } = waggle(...argv)
    assert.match(stderr, said)
    assert.equal(status, 1)
    assert.deepEqual(types(), ['words'])
  }

  it('takes a type out of the lock file by its name or by its package, also if the package is gone', () => {
    const { status, stdout } = waggle('bees', 'remove', 'words')
    assert.equal(status, 0)
    assert.equal(
      stdout,
      'words of waggle-bee-words 0.1.0\nIt is no longer in bees.lock.json.\nnpm still has the package: npm uninstall waggle-bee-words\n',
    )
    assert.deepEqual(types(), [])
    assert.equal(waggle('bees', 'add', 'waggle-bee-words').status, 0)
    rmSync(join(directory, 'node_modules', 'waggle-bee-words'), { recursive: true })
    const { integrity, ...row } = JSON.parse(waggle('bees', 'remove', 'waggle-bee-words', '--json').stdout)
    assert.deepEqual(row, { type: 'words', package: 'waggle-bee-words', version: '0.1.0', lock: 'bees.lock.json' })
    assert.match(integrity, /^sha512-/)
    assert.deepEqual(types(), [])
  })

  it('refuses a type that a swarm file beside the lock file still names, and names the place', () => {
    writeFileSync(join(directory, 'swarm.yaml'), swarm)
    for (const name of ['words', 'waggle-bee-words'])
      refused(['bees', 'remove', name], /^swarm\.yaml:4:25: A bee has the type words here; Take the bee out of the swarm file first/)
    rmSync(join(directory, 'swarm.yaml'))
    writeFileSync(join(directory, 'other.yml'), swarm)
    refused(['bees', 'remove', 'words'], /^other\.yml:4:25: /)
    writeFileSync(join(directory, 'other.yml'), swarm.replace('type: words', 'type: module'))
    // A YAML file of another program, such as a template of Helm, cannot be read as YAML.
    writeFileSync(join(directory, 'template.yaml'), '{{ if }}\n- [')
    assert.equal(waggle('bees', 'remove', 'words').status, 0)
  })

  it('refuses a swarm file that cannot be read, and a name that the lock file does not have', () => {
    writeFileSync(join(directory, 'swarm.yaml'), 'bees: [')
    refused(['bees', 'remove', 'words'], /^swarm\.yaml:1:\d+: /)
    refused(['bees', 'remove', 'wrods'], /bees\.lock\.json has no bee type and no package wrods\. Did you mean words\?/)
    refused(['bees', 'remove', 'batch'], /has no bee type and no package batch\. It has words, waggle-bee-words\./)
    for (const file of ['elsewhere/swarm.yaml', 'swrm.yaml'])
      refused(['bees', 'remove', 'words', '--swarm', file], /There is no file .*\. Name a swarm file with --swarm/)
    assert.equal(existsSync(join(directory, 'elsewhere')), false)
  })

  it('refuses a type that a swarm file with a mistake names, and names the file', () => {
    writeFileSync(join(directory, 'other.yaml'), `${swarm}  - [`)
    refused(['bees', 'remove', 'words'], /^other\.yaml:\d+:\d+: /)
    writeFileSync(join(directory, 'other.yaml'), `${swarm.replace('type: words', 'type: module')}  - [`)
    assert.equal(waggle('bees', 'remove', 'words').status, 0)
  })

  it('waits for another process that writes the lock file, and replaces the file as a whole', () => {
    const lock = join(directory, 'bees.lock.json')
    writeFileSync(`${lock}.lock`, '1 - another-machine')
    assert.match(waggle('bees', 'remove', 'words').stderr, /bees\.lock\.json\.lock is held by another process/)
    assert.deepEqual(types(), ['words'])
    rmSync(`${lock}.lock`)
    // A second name for the old file keeps the old text only if the new text is written beside it.
    linkSync(lock, join(directory, 'before.json'))
    assert.equal(waggle('bees', 'remove', 'words').status, 0)
    assert.deepEqual(types(), [])
    assert.deepEqual(Object.keys(JSON.parse(readFileSync(join(directory, 'before.json'), 'utf8')).bees), ['words'])
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.startsWith('bees.lock.json')),
      ['bees.lock.json'],
    )
  })
})

describe('waggle bees new', () => {
  it('writes a package whose test passes and that can be added to a swarm', () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-shelf-'))
    try {
      mkdirSync(join(directory, 'node_modules'))
      symlinkSync(root, join(directory, 'node_modules', 'waggle-streams'))
      const run = (...argv: readonly string[]) => spawnSync(process.execPath, argv, { cwd: directory, encoding: 'utf8' })
      const main = join(root, 'ops', 'cli', 'main.ts')
      assert.match(run(main, 'bees', 'new', 'node_modules/waggle-bee-hello').stdout, /index\.js[\s\S]*npm install\n {2}npm test/)
      const { status, stdout } = spawnSync(process.execPath, ['--test'], {
        cwd: join(directory, 'node_modules', 'waggle-bee-hello'),
        encoding: 'utf8',
        env: { PATH: process.env.PATH },
      })
      assert.equal(status, 0, stdout)
      assert.equal(run(main, 'bees', 'add', 'waggle-bee-hello').status, 0)
      assert.equal(run(main, 'bees', 'new', 'node_modules/waggle-bee-hello').status, 1)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('names in the README the folder of the package, whatever the name of the package is', () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-shelf-'))
    try {
      const readmeOf = (folder: string, ...more: readonly string[]) => {
        const argv = [join(root, 'ops', 'cli', 'main.ts'), 'bees', 'new', folder, ...more]
        assert.equal(spawnSync(process.execPath, argv, { cwd: directory }).status, 0)
        return readFileSync(join(directory, folder, 'README.md'), 'utf8')
      }
      assert.match(readmeOf('hello'), /^npm install --install-links \.\.\/hello\nnpx waggle bees add waggle-bee-hello$/m)
      assert.match(readmeOf('my hello', '--python'), /^npx waggle bees add \.\.\/'my hello'$/m)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
