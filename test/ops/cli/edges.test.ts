import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { smallModel } from '../../../ops/bench/small-model.ts'

const repository = resolve(import.meta.dirname, '..', '..', '..')
const main = join(repository, 'ops', 'cli', 'main.ts')
const hello = join(repository, 'swarms', 'hello-world', 'swarm.yaml')

interface Called {
  readonly env?: { readonly [name: string]: string }
  readonly cwd?: string
  /** True: the output is not read. */
  readonly isUnread?: boolean
  /** True: the command runs as a user other than root, because root may do everything. */
  readonly asNobody?: boolean
}

function waggle(argv: readonly string[], { env = {}, cwd, isUnread = false, asNobody = false }: Called = {}) {
  return new Promise<{ readonly status: number | null; readonly out: string; readonly err: string }>((settle) => {
    const child = spawn(process.execPath, [main, ...argv], {
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
      ...(asNobody && process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said = { out: '', err: '' }
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.err += text
    })
    if (isUnread) child.stdout.destroy()
    else
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said.out += text
      })
    child.on('close', (status) => settle({ status, ...said }))
  })
}

const oneLine = /^[^\n]+\n$/

describe('The command line in unusual surroundings', () => {
  let directory: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-edges-'))
    chmodSync(directory, 0o755)
    writeFileSync(join(directory, 'file'), 'mine')
    mkdirSync(join(directory, 'locked'), { mode: 0o555 })
    mkdirSync(join(directory, 'mine'))
    chmodSync(join(directory, 'mine'), 0o777)
  })
  after(() => rmSync(directory, { recursive: true, force: true }))

  for (const { data, cause } of [
    { data: 'file', cause: /file is a file, and a directory is needed \(EEXIST\)/ },
    { data: 'file/below', cause: /file is a file, and a directory is needed|leads through a file/ },
    { data: 'locked/data', cause: /locked\/data may not be used by this user \(EACCES\)/ },
    { data: 'locked', cause: /locked\/FORMAT\.next may not be used by this user \(EACCES\)/ },
  ]) {
    it(`prints one line with WAGGLE_DATA_DIR if the data directory ${data} cannot be used`, async () => {
      for (const argv of [
        ['run', hello],
        ['topics', 'list'],
      ]) {
        const { status, err } = await waggle(argv, { env: { WAGGLE_DATA_DIR: join(directory, data) }, asNobody: true })
        assert.equal(status, 1, err)
        assert.match(err, oneLine)
        assert.match(err, cause)
        assert.match(err, /WAGGLE_DATA_DIR/)
      }
      assert.equal(readFileSync(join(directory, 'file'), 'utf8'), 'mine')
    })
  }

  it('lists nothing in a directory without a log, and names that directory on standard error unless --json is set', async () => {
    const env = { WAGGLE_DATA_DIR: join(directory, 'nothing') }
    const hint = `waggle: there is no topic in ${join(directory, 'nothing')}. Run this in the folder where the swarm or program was started, or set WAGGLE_DATA_DIR.\n`
    for (const [argv, listed] of [
      [['topics', 'list'], /^topic +partitions +cleanup +records\n$/],
      [['dead-letters', 'list'], /^There are no dead letters\.\n$/],
    ] as const) {
      const { status, out, err } = await waggle(argv, { env })
      assert.deepEqual([status, err], [0, hint])
      assert.match(out, listed)
      const json = await waggle([...argv, '--json'], { env })
      assert.deepEqual([json.status, json.err], [0, ''])
      const told: unknown = JSON.parse(json.out)
      assert.deepEqual(told, argv[0] === 'topics' ? [] : { dead_letters: [], next: null })
    }
  })

  it('prints one line and fails if a module ends the process while the module loads', async () => {
    const folder = join(directory, 'mine')
    writeFileSync(join(folder, 'ends.mjs'), 'process.exit(0)')
    const file = join(folder, 'ends.yaml')
    const bees = '  - {name: in, type: gateway-input, spec: {name: g}}\n  - {name: work, type: module, input: {name: in}, spec: {file: ./ends.mjs}}\n'
    writeFileSync(file, `name: ends\nbees:\n${bees}  - {name: out, type: respond, input: {name: work}}\n`)
    const env = { WAGGLE_DATA_DIR: join(directory, 'ended'), WAGGLE_HTTP_PORT: '0', WAGGLE_LOG_FORMAT: 'text' }
    const { status, err } = await waggle(['run', file], { env })
    assert.equal(status, 1)
    assert.match(err, /^waggle: \S+\/ends\.mjs ends the process while it loads\. Do not call process\.exit in a module\.$/m)
  })

  it('prints one line if a new project cannot be written', async () => {
    for (const folder of ['file', 'file/below', 'locked/project']) {
      const { status, err } = await waggle(['init', join(directory, folder)], { asNobody: true })
      assert.deepEqual([status, oneLine.test(err)], [1, true], err)
    }
  })

  it('leaves no file behind if a new project does not fit on the disk', async (test) => {
    const small = join(directory, 'small')
    mkdirSync(small)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20k', 'tmpfs', small]).status !== 0) {
      test.skip('a small disk needs mount and root')
      return
    }
    try {
      const { status, err } = await waggle(['init', small, '--template', 'teddy'])
      assert.deepEqual([status, readdirSync(small)], [3, []], err)
      assert.match(err, /^waggle: .*is full \(ENOSPC\)\. Make room, or name a place on another disk\.\n$/)
    } finally {
      spawnSync('umount', [small])
    }
  })

  it('prints a cd command that a shell accepts, for any name of the folder', async () => {
    for (const { folder, line } of [
      { folder: 'plain', line: 'cd plain' },
      { folder: 'my bears; $HOME', line: "cd 'my bears; $HOME'" },
      { folder: "it's", line: "cd 'it'\\''s'" },
      { folder: '-', line: 'cd ./-' },
    ]) {
      const { out } = await waggle(['init', '--', folder], { cwd: join(directory, 'mine') })
      assert.ok(out.includes(`\n  ${line}\n`), out)
    }
  })

  it('ends without an error if its output is closed', async () => {
    const env = { WAGGLE_DATA_DIR: join(directory, 'unread'), WAGGLE_HTTP_PORT: '0' }
    for (const argv of [
      ['plan', hello],
      ['schema'],
      ['validate', hello],
      ['run', '--help'],
      ['topics', 'list'],
      ['init', join(directory, 'unread-project')],
      ['run', hello, '--json'],
    ]) {
      const { err } = await waggle(argv, { env, isUnread: true })
      assert.doesNotMatch(err, /EPIPE|Error|\n\s+at /, argv.join(' '))
    }
  })

  it('prints a request for each gateway, and each request works when it is pasted into a shell', async () => {
    const folder = join(directory, 'asked swarms')
    mkdirSync(folder)
    writeFileSync(join(folder, 'small.onnx'), smallModel({ features: 4, labels: 2 }))
    const files = ['', '  - { name: batching, type: batch, input: { name: input }, spec: { batch_size: 2, timeout_seconds: 0.01 } }\n'].map(
      (batch, at) => {
        const file = join(folder, `${at}.yaml`)
        writeFileSync(
          file,
          `name: small-${at}\nbees:\n  - { name: input, type: gateway-input, spec: { name: door-${at} } }\n${batch}` +
            `  - { name: model, type: tensor-rt, input: { name: ${batch === '' ? 'input' : 'batching'} }, spec: { model: ./small.onnx } }\n` +
            '  - { name: answer, type: respond, input: { name: model } }\n',
        )
        return file
      },
    )
    const child = spawn(process.execPath, [main, 'run', hello, ...files], {
      env: { ...process.env, WAGGLE_DATA_DIR: join(directory, 'asked'), WAGGLE_HTTP_PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = new Promise((settle) => child.on('close', settle))
    let out = ''
    for await (const text of child.stdout.setEncoding('utf8')) {
      out += text
      if (/Ctrl-C/.test(out)) break
    }
    const lines = out.split('\n').filter((line) => line.startsWith('  curl '))
    const answers = lines.map((line) => spawnSync('sh', ['-c', line], { encoding: 'utf8' }).stdout)
    child.kill('SIGTERM')
    await ended
    assert.equal(answers.length, 3, out)
    assert.deepEqual(JSON.parse(answers[0] ?? ''), { greeting: 'Hello, bear!' })
    for (const answer of answers.slice(1)) assert.match(answer, /"label":"[01]"/)
  })

  it('refuses a misspelt variable, and names the right variable', async () => {
    const { status, err } = await waggle(['plan', hello], { env: { WAGGLE_HTPP_PORT: '9000' } })
    assert.deepEqual([status, err], [1, 'WAGGLE_HTPP_PORT: the variable is not a setting; Did you mean WAGGLE_HTTP_PORT?\n'])
  })

  it('names a wrong setting once, with its value', async () => {
    for (const { value, cause } of [
      { value: 'abc', cause: 'must be an integer, not "abc"' },
      { value: '70000', cause: 'must be <= 65535, not 70000' },
    ]) {
      const { status, err } = await waggle(['plan', hello], { env: { WAGGLE_HTTP_PORT: value } })
      assert.equal(status, 1)
      assert.ok(err.startsWith(`WAGGLE_HTTP_PORT: ${cause};`), err)
    }
  })

  it('names an address that cannot be reached', async () => {
    for (const url of ['nowhere', 'ftp://127.0.0.1']) {
      const { status, err } = await waggle(['request', 'hello', '--data', '{}', '--url', url])
      assert.equal(status, 2)
      assert.match(err, /^waggle: \S+ is not an address of a server\. .*--url.*\n$/)
    }
    const { err } = await waggle(['request', 'hello', '--data', '{}'], { env: { WAGGLE_HTTP_PORT: 'abc' } })
    assert.match(err, /^WAGGLE_HTTP_PORT: must be an integer, not "abc"; .*\n$/)
  })
})
