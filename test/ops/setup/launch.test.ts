import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'

const repository = resolve(import.meta.dirname, '..', '..', '..')

/** A folder with the launcher and without a lock file, like the published package. */
describe('The launcher', () => {
  let root: string
  before(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'waggle-launch-')))
    cpSync(join(repository, 'ops', 'setup'), join(root, 'ops', 'setup'), { recursive: true })
    mkdirSync(join(root, 'ops', 'cli'))
    writeFileSync(join(root, 'ops', 'cli', 'main.ts'), `console.log(JSON.stringify([process.cwd(), ...process.argv.slice(2)] satisfies string[]))`)
    mkdirSync(join(root, 'examples'))
    writeFileSync(join(root, 'examples', 'counts.ts'), `console.log('counted' satisfies string)`)
    mkdirSync(join(root, 'elsewhere'))
  })
  after(() => rmSync(root, { recursive: true }))

  function run(file: string, argv: readonly string[], { cwd = root, env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    const { NODE_TEST_CONTEXT: _context, ...own } = process.env
    return spawnSync(process.execPath, [join(root, 'ops', 'setup', file), ...argv], { cwd, encoding: 'utf8', env: { ...own, ...env } })
  }

  it('runs a file of the repository from any folder', () => {
    assert.equal(run('launch.mjs', ['examples/counts.ts'], { cwd: join(root, 'elsewhere') }).stdout, 'counted\n')
  })

  it('names the existing files in one line if the named file is missing', () => {
    for (const argv of [['examples/count.ts'], ['counts.ts'], ['exmples/counts.ts'], []]) {
      const { status, stderr } = run('launch.mjs', argv)
      assert.equal(status, 3)
      assert.match(stderr, /^waggle: (there is no file \S+|no file is named)\. Name one of examples\/counts\.ts\.\n$/)
    }
  })

  it('runs `waggle` in the caller’s folder, with its arguments', () => {
    const { stdout } = run('waggle.mjs', ['run', 'swarm.yaml'], { cwd: join(root, 'elsewhere') })
    assert.deepEqual(JSON.parse(stdout), [join(root, 'elsewhere'), 'run', 'swarm.yaml'])
  })

  it('runs `waggle-node` as Node, with its arguments and its exit status', () => {
    const file = join(root, 'elsewhere', 'sum.test.ts')
    writeFileSync(file, `import { it } from 'node:test'\nit('adds', () => { if (1 + 1 !== (3 satisfies number)) throw new Error('no') })`)
    const { status, stdout } = run('node.mjs', ['--test', file])
    assert.deepEqual([status, /^ℹ tests 1$/m.test(stdout)], [1, true], stdout)
  })

  it('runs the script `waggle` of the repository in the folder where npm was called', () => {
    const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { readonly scripts: { readonly waggle: string } }
    const env = { ...process.env, INIT_CWD: join(root, 'elsewhere'), PATH: dirname(process.execPath) + delimiter + process.env.PATH }
    const { stdout, stderr } = spawnSync('sh', ['-c', `${scripts.waggle} validate swarm.yaml`], { cwd: root, env, encoding: 'utf8' })
    assert.deepEqual(JSON.parse(stdout || '[]'), [join(root, 'elsewhere'), 'validate', 'swarm.yaml'], stderr)
  })

  it('ends the program when npm’s script gets SIGTERM', async () => {
    writeFileSync(
      join(root, 'examples', 'wait.ts'),
      `process.on('SIGTERM', () => { console.log('ended' satisfies string); process.exit(0) })\nsetInterval(() => {}, 1000)\nconsole.log('runs')`,
    )
    const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { readonly scripts: { readonly example: string } }
    const { NODE_TEST_CONTEXT: _context, ...own } = process.env
    const env = { ...own, PATH: dirname(process.execPath) + delimiter + process.env.PATH }
    // The command is not the last command of the shell, so only `exec` makes its process the shell's process.
    const script = spawn('sh', ['-c', `true; ${scripts.example} examples/wait.ts; true`], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    for await (const text of script.stdout.setEncoding('utf8')) {
      out += text
      if (out === 'runs\n') script.kill('SIGTERM')
    }
    assert.equal(out, 'runs\nended\n')
  })

  it('ends a blocked program at the second signal, but counts the signals of one Ctrl-C as one signal', async () => {
    writeFileSync(join(root, 'examples', 'block.ts'), `process.on('SIGTERM', () => {})\nconsole.log('blocks' satisfies string)\nfor (;;) {}`)
    const script = spawn(process.execPath, [join(root, 'ops', 'setup', 'launch.mjs'), 'examples/block.ts'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise((settle) => script.once('exit', (code, signal) => settle({ code, signal })))
    await once(script.stdout, 'data')
    for (let sent = 0; sent < 3; sent++) script.kill('SIGTERM')
    const firstAt = performance.now()
    const signals = setInterval(() => script.kill('SIGTERM'), 50)
    assert.deepEqual(await ended, { code: null, signal: 'SIGKILL' })
    clearInterval(signals)
    assert.ok(performance.now() - firstAt > 500)
  })

  it('has “exec” in each script that starts Node, so that npm’s signals reach it', () => {
    const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
      readonly scripts: { readonly [name: string]: string }
    }
    const without = Object.entries(scripts).filter(
      ([name, script]) => / ?node /.test(script) && !script.includes('exec node ') && !/^(pre|post)pack$/.test(name),
    )
    assert.deepEqual(without, [])
  })

  it('prints npm’s own error if npm fails', () => {
    const bin = join(root, 'bin')
    mkdirSync(bin)
    const said = [
      'npm warn EBADENGINE Unsupported engine',
      'npm error code ENOTFOUND',
      'npm error network request to https://registry.example/fastify failed, reason: getaddrinfo ENOTFOUND registry.example',
      ...Array.from({ length: 6 }, (_, at) => `npm error network advice ${at}`),
      'npm error A complete log of this run can be found in: /root/.npm/_logs/a.log',
    ]
    writeFileSync(join(bin, 'npm'), `#!/bin/sh\nprintf '%s\\n' ${said.map((line) => `'${line}'`).join(' ')} >&2\nexit 1\n`)
    chmodSync(join(bin, 'npm'), 0o755)
    writeFileSync(join(root, 'package-lock.json'), '{}')
    const { status, stderr } = run('waggle.mjs', [], { env: { PATH: `${bin}${delimiter}${process.env.PATH}`, npm_execpath: '' } })
    rmSync(join(root, 'package-lock.json'))
    assert.equal(status, 3)
    assert.match(stderr, /npm ci failed\. code ENOTFOUND\n {2}network request to \S+ failed, reason: getaddrinfo ENOTFOUND registry\.example\n/)
    assert.doesNotMatch(stderr, /EBADENGINE|complete log/)
  })
})
