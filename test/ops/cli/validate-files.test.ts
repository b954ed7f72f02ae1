import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import container from '../../../bees/container/bee.ts'
import { LocalPrograms } from '../../../ops/swarms/local-programs.ts'
import type { WaggleError } from '../../../topology/waggle-error.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const directory = mkdtempSync(join(tmpdir(), 'waggle-validate-'))

/** Runs `validate` on a swarm with these bees, from line 4 on. Returns the exit status and the output. */
function validate(...bees: readonly string[]): Promise<{ readonly status: number | string | null; readonly said: string }> {
  const file = join(directory, 'swarm.yaml')
  const entrance = '  - {name: entrance, type: gateway-input, spec: {name: door}}'
  const works = bees.map((bee, at) => `  - {name: work-${at}, input: {name: entrance}, ${bee}}\n`).join('')
  writeFileSync(file, `name: one\nbees:\n${entrance}\n${works}  - {name: answer, type: respond, input: {name: work-0}}\n`)
  return new Promise((settle) => {
    execFile(process.execPath, [main, 'validate', file], { timeout: 120_000 }, (error, out, err) =>
      settle({ status: error?.code ?? 0, said: `${out}${err}` }),
    )
  })
}

/** False for a process that has ended but was not reaped. */
function isRunning(pid: number): boolean {
  return (
    spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
      .stdout.trim()
      .replace(/^Z.*/, '') !== ''
  )
}

describe('waggle validate', () => {
  after(() => rmSync(directory, { recursive: true, force: true }))

  it('refuses a missing module, and refuses a module that is not a regular file without reading a byte', async () => {
    execFileSync('mkfifo', [join(directory, 'pipe.mjs')])
    symlinkSync('/dev/zero', join(directory, 'zero.mjs'))
    for (const [file, why] of [
      ['./pipe.mjs', /4:\d+: .*regular file is needed/],
      ['./zero.mjs', /4:\d+: .*regular file is needed/],
      ['/proc/self/environ', /4:\d+: .*regular file is needed/],
      ['./missing.mjs', /4:\d+: There is no file/],
    ] as const) {
      const { status, said } = await validate(`type: module, spec: {file: ${file}}`)
      assert.equal(status, 1, said)
      assert.match(said, why)
    }
  })

  it('refuses invalid environment variables', async () => {
    for (const name of ['"A=B"', '""', '"a\\u0001"']) {
      const { status, said } = await validate(`type: container, spec: {image: x, env: {${name}: "1"}}`)
      assert.equal(status, 1, said)
      assert.match(said, /4:\d+/)
    }
    assert.equal((await validate('type: container, spec: {image: x, env: {GOOD_NAME: "1"}}')).status, 0)
  })

  it('refuses a module that cannot be loaded, with its file and line, and a module without the named export', async () => {
    writeFileSync(
      join(directory, 'right.ts'),
      `import { Refused } from 'waggle-streams'\nexport default () => new Refused('no')\nexport const list = { process: 3 }`,
    )
    const modules: readonly { readonly name: string; readonly source?: string; readonly spec?: string; readonly why: RegExp }[] = [
      { name: 'syntax', source: '\nexport default (', why: /syntax\.ts cannot be loaded: .*\(.*syntax\.ts:\d\)/ },
      { name: 'helper', source: `import './nowhere.ts'`, why: /helper\.ts cannot be loaded: Cannot find module '.*nowhere\.ts'.*\(.*helper\.ts:1\)/ },
      {
        name: 'package',
        source: `import 'no-such-package'`,
        why: /package\.ts cannot be loaded: Cannot find package 'no-such-package'.*\(.*package\.ts:1\)/,
      },
      { name: 'name', source: `import { nope } from './right.ts'`, why: /does not provide an export named 'nope'/ },
      { name: 'throws', source: `\n\nthrow new Error('at once')`, why: /throws\.ts cannot be loaded: at once \(.*throws\.ts:3:7\)/ },
      { name: 'exits', source: `process.exit(0)`, why: /exits\.ts ends its process while it loads/ },
      { name: 'waits', source: `await new Promise(() => {})`, why: /waits\.ts waits while it loads/ },
      { name: 'empty', source: '', why: /empty\.ts has no export default .*; Export a function: / },
      { name: 'right', spec: ', bee: rigth', why: /has no export rigth .*; It exports: default, list\./ },
      { name: 'right', spec: ', bee: list', why: /The export list of .*right\.ts has a process that is not a function/ },
      { name: 'class', source: 'export default class { process() {} }', spec: ', workers: 2', why: /class\.ts is a class; Export an instance/ },
      { name: 'seven', source: 'export default 7', spec: ', workers: 2', why: /seven\.ts is a number, which is not a bee/ },
      { name: 'right', spec: ', bee: toString', why: /has no export toString/ },
    ]
    for (const { name, source } of modules) if (source !== undefined) writeFileSync(join(directory, `${name}.ts`), source)
    const { status, said } = await validate(...modules.map(({ name, spec = '' }) => `type: module, spec: {file: ./${name}.ts${spec}}`))
    assert.equal(status, 1, said)
    const lines = said.trim().split('\n')
    assert.equal(lines.length, modules.length, said)
    for (const [at, { why }] of modules.entries()) {
      assert.ok(lines[at]?.startsWith(`${join(directory, 'swarm.yaml')}:${at + 4}:`), said)
      assert.match(lines[at] ?? '', why)
    }
    assert.doesNotMatch(said, /node:internal/)
  })

  it('names the package.json because of which Node treats a module as CommonJS', async () => {
    const folder = mkdtempSync(join(directory, 'commonjs-'))
    writeFileSync(join(folder, 'package.json'), '{"type": "commonjs"}')
    for (const [name, source] of [
      ['exports.ts', 'export default () => 1'],
      ['imports.ts', `import 'waggle-streams'`],
    ] as const) {
      writeFileSync(join(folder, name), source)
      const { said } = await validate(`type: module, spec: {file: ${join(folder, name)}}`)
      assert.match(said, /cannot be loaded: .*; Set "type": "module" in the package\.json above it: /)
    }
  })

  it('loads a module in a separate process, and ends that process afterwards', { timeout: 120_000 }, async () => {
    const mark = join(directory, 'mark')
    writeFileSync(
      join(directory, 'busy.ts'),
      `import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
const child = spawn('sleep', ['1000'])
writeFileSync(${JSON.stringify(mark)}, String(child.pid))
console.log('printed at load')
setInterval(() => {}, 1000)
export default () => 1`,
    )
    const { status, said } = await validate('type: module, spec: {file: ./busy.ts}')
    assert.deepEqual([status, /no mistakes/.test(said), /printed/.test(said)], [0, true, false], said)
    assert.ok(existsSync(mark))
    // The system takes a moment to end a killed process.
    while (isRunning(Number(readFileSync(mark, 'utf8')))) await new Promise(setImmediate)
  })

  it('refuses a command whose program or script is missing or not executable', async () => {
    writeFileSync(join(directory, 'plain.sh'), '#!/bin/sh\n', { mode: 0o644 })
    const commands = [
      ['[no-such-program]', /there is no program no-such-program in the folders of PATH/],
      [`[${join(directory, 'gone')}]`, /there is no program .*gone;/],
      [`[${join(directory, 'plain.sh')}]`, /plain\.sh may not be executed \(chmod \+x\)/],
      [`[${directory}]`, /is not a file, so it cannot be run/],
      ['[node, ./gone.ts]', /there is no file .*gone\.ts for node/],
    ] as const
    const right = 'type: container, spec: {command: [node, -e, "1"]}'
    const { status, said } = await validate(...commands.map(([command]) => `type: container, spec: {command: ${command}}`), right)
    assert.equal(status, 1, said)
    const lines = said.trim().split('\n')
    assert.equal(lines.length, commands.length, said)
    for (const [at, [, why]] of commands.entries()) {
      assert.match(lines[at] ?? '', why)
      assert.ok(lines[at]?.startsWith(`${join(directory, 'swarm.yaml')}:${at + 4}:`), said)
    }
  })

  it('asks Docker for an image, and warns if there is no such image or no Docker', async () => {
    const check = async (isHere: boolean | null) =>
      container.definition.check?.({
        spec: { image: 'away:1' },
        bee: 'svm',
        ports: { programs: { hasImage: async () => isHere } },
        resolveCommand: () => null,
      } as never)
    assert.equal(await check(true), undefined)
    await assert.rejects(check(false), {
      code: 'WAGGLE_NOT_RESOLVED',
      message: 'svm names the image away:1, and this machine has no command for it; its Docker has no such image either',
    })
    await assert.rejects(check(null), {
      code: 'WAGGLE_NOT_RESOLVED',
      message: 'svm names the image away:1, and this machine has no command for it; no Docker answers here',
      next: 'Start Docker, or map the image to a command, in waggle.yaml, beside the swarm: resolve: {"away:1": [program, argument]}.',
    })
  })

  it('warns about a missing image, model and secret, each with its place', async () => {
    const { status, said } = await validate(
      'type: container, spec: {image: far/away}',
      'type: tensor-rt, spec: {model: "s3://far/away.onnx"}',
      'type: container, spec: {command: [node], env: {KEY: "{{ secrets.key }}"}}',
      'type: container, spec: {command: [node, "--key={{ secrets.key }}"]}',
    )
    assert.equal(status, 0, said)
    assert.match(said, /swarm\.yaml:4:\d+: warning: work-0 names the image far\/away, and this machine has no command for it/)
    assert.match(said, /swarm\.yaml:5:\d+: warning: s3:\/\/far\/away\.onnx is not on this machine/)
    assert.match(said, /swarm\.yaml:6:\d+: warning: there is no secret key; Set WAGGLE_SECRET_key\./)
    assert.match(said, /swarm\.yaml:7:\d+: warning: the command of work-3 has the secret key in it/)
  })

  it('ends the process that loads a module if validate itself is killed', { timeout: 120_000 }, async () => {
    const mark = join(directory, 'endless-mark')
    writeFileSync(
      join(directory, 'marked.ts'),
      `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(mark)}, String(process.pid))\nfor (;;) {}`,
    )
    const file = join(directory, 'killed.yaml')
    writeFileSync(
      file,
      `name: one\nbees:\n  - {name: g, type: gateway-input, spec: {name: g}}\n  - {name: m, type: module, input: {name: g}, spec: {file: ./marked.ts}}\n`,
    )
    const validating = spawn(process.execPath, [main, 'validate', file], { stdio: 'ignore' })
    while (!existsSync(mark) || readFileSync(mark, 'utf8') === '') await new Promise(setImmediate)
    validating.kill('SIGKILL')
    while (isRunning(Number(readFileSync(mark, 'utf8')))) await new Promise(setImmediate)
  })

  it('does not wait for a detached process that has inherited all open files of a module', async () => {
    const mark = join(directory, 'session-mark')
    const path = join(directory, 'session.ts')
    writeFileSync(
      path,
      `import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
const child = spawn('sleep', ['1000'], { detached: true, stdio: [0, 1, 2, 3] })
writeFileSync(${JSON.stringify(mark)}, String(child.pid))
export default () => 1`,
    )
    try {
      await new LocalPrograms({ loadMs: 20_000 }).checkModule({ path, export: 'default' })
    } finally {
      process.kill(Number(readFileSync(mark, 'utf8')), 'SIGKILL')
    }
  })

  it('refuses two files that cannot run together, at the place in the second file, and passes the first file', async () => {
    const swarm = (file: string, name: string, gateway: string) => {
      const path = join(directory, file)
      writeFileSync(
        path,
        `name: ${name}\nbees:\n  - {name: in, type: gateway-input, spec: {name: ${gateway}}}\n  - {name: out, type: respond, input: {name: in}}\n`,
      )
      return path
    }
    const first = swarm('first.yaml', 'first', 'door')
    const together = (second: string, ...options: readonly string[]) =>
      new Promise<{ readonly status: unknown; readonly said: string }>((settle) => {
        execFile(process.execPath, [main, 'validate', first, second, ...options], (error, out, err) =>
          settle({ status: error?.code ?? 0, said: `${out}${err}` }),
        )
      })
    for (const [second, mistake] of [
      [
        swarm('same-name.yaml', 'first', 'window'),
        `same-name.yaml:1:7: ${first} has a swarm named first too; Give each file once, and each swarm a name of its own.`,
      ],
      [
        swarm('same-gateway.yaml', 'second', 'door'),
        `same-gateway.yaml:3:50: ${first} has a gateway named door too; Give one of the two gateways another name.`,
      ],
      [first, `first.yaml:1:7: ${first} is given twice; Give each file once, and each swarm a name of its own.`],
    ] as const) {
      const { status, said } = await together(second)
      assert.equal(status, 1, said)
      assert.ok(said.includes(`${first}: first, 2 bees, no mistakes\n`) && said.includes(`${join(directory, mistake)}\n`), said)
    }
    assert.equal((await together(swarm('second.yaml', 'second', 'window'))).status, 0)
    const results = JSON.parse((await together(swarm('same-name.yaml', 'first', 'window'), '--json')).said) as { readonly valid: boolean }[]
    assert.deepEqual(
      results.map(({ valid }) => valid),
      [true, false],
    )
  })

  it('stops waiting for a module that never finishes loading', async () => {
    const path = join(directory, 'endless.ts')
    writeFileSync(path, 'for (;;) {}')
    await assert.rejects(new LocalPrograms({ loadMs: 300 }).checkModule({ path, export: 'default' }), ({ code, message }: WaggleError) => {
      return code === 'WAGGLE_INVALID_MODULE' && message === `${path} has not loaded within 0.3 s`
    })
  })
})
