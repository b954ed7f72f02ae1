import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { SwarmHere } from '../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const has = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0
const run = promisify(execFile)
/** The reason for skipping the tests of a shell; false if the shell is on this machine, or if CI requires it. */
const skips = (shell: string) => !has(shell) && process.env.CI !== 'true' && `there is no ${shell}`
const expectShell = (shell: string) => assert.ok(has(shell), `${shell} is not on this machine: apt-get install ${shell}`)

describe('Completion', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-completion-'))
  after(() => rmSync(directory, { recursive: true }))

  function script(shell: string): string {
    expectShell(shell)
    const made = join(directory, shell)
    if (existsSync(made)) return made
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'completion', shell], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    writeFileSync(made, stdout)
    return made
  }

  /** The words that bash offers after these words. */
  function inBash(file: string, ...words: readonly string[]): readonly string[] {
    const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _waggle; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { status, stdout, stderr } = spawnSync('bash', ['-c', program, 'bash', file, ...words], { encoding: 'utf8', cwd: directory })
    assert.deepEqual([status, stderr], [0, ''])
    return stdout.trimEnd().split('\n')
  }

  it('for bash offers commands, verbs, options, choices and files', { skip: skips('bash') }, () => {
    const file = script('bash')
    assert.deepEqual(inBash(file, 'waggle', 'dead'), ['dead-letters'])
    const verbs = inBash(file, 'waggle', 'dead-letters', '')
    for (const verb of ['list', 'show', 'retry', 'discard']) assert.ok(verbs.includes(verb), verb)
    assert.deepEqual(inBash(file, 'waggle', 'dead-letters', 'retry', '--ca'), ['--cause'])
    assert.deepEqual(inBash(file, 'waggle', 'init', 'x', '--template', 'py'), ['python'])
    assert.deepEqual(inBash(file, 'waggle', 'completion', 'z'), ['zsh'])
    assert.deepEqual(inBash(file, 'waggle', 'bees', 'rem'), ['remove'])
    writeFileSync(join(directory, 'swarm.yaml'), '')
    assert.deepEqual(inBash(file, 'waggle', 'validate', 'swa'), ['swarm.yaml'])
    // The verbs of another group are not offered.
    assert.equal(inBash(file, 'waggle', 'tokens', '').includes('tail'), false)
    // The verbs of waxctl are left out, as in the help.
    assert.equal(inBash(file, 'waggle', '').includes('create-swarm'), false)
  })

  it('for zsh is a script that zsh can parse', { skip: skips('zsh') }, () => {
    assert.equal(spawnSync('zsh', ['-n', script('zsh')]).status, 0)
  })

  it('for fish offers commands, verbs and choices', { skip: skips('fish') }, () => {
    const offered = (line: string) =>
      spawnSync('fish', ['-c', `source ${script('fish')}; complete -C ${JSON.stringify(line)}`], { encoding: 'utf8' }).stdout
    assert.match(offered('waggle dead'), /^dead-letters\t/m)
    assert.match(offered('waggle dead-letters re'), /^retry\t/m)
    assert.match(offered('waggle init x --template py'), /^python/m)
  })

  describe('of names of a running server', () => {
    const bin = mkdtempSync(join(tmpdir(), 'waggle-bin-'))
    after(() => rmSync(bin, { recursive: true }))
    writeFileSync(join(bin, 'waggle'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 })

    /** The words that a shell offers, without their descriptions. Nothing here may block, because this process also serves the answers. */
    async function offered(shell: string, words: readonly string[], env: { readonly [name: string]: string } = {}): Promise<readonly string[]> {
      const file = script(shell)
      const programs: { readonly [shell: string]: string } = {
        bash: `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _waggle; printf '%s\\n' "\${COMPREPLY[@]}"`,
        // A function replaces the builtin, which works only during a completion of zsh.
        zsh: `compdef() { :; }; source "$1"; shift; words=("$@"); CURRENT=$#; compadd() { print -l -- \${(P)2}; }; _describe() { return 1; }; _files() { :; }; _waggle`,
        fish: `source $argv[1]; complete -C (string join ' ' -- $argv[2..])`,
      }
      const argv = shell === 'fish' ? ['-c', programs.fish ?? '', file, ...words] : ['-c', programs[shell] ?? '', shell, file, ...words]
      const path = `${bin}:${process.env.PATH}`
      const { stdout } = await run(shell, argv, { cwd: directory, env: { ...process.env, PATH: path, ...env } })
      return stdout
        .split('\n')
        .map((line) => line.split('\t')[0] ?? '')
        .filter((word) => word !== '')
    }

    for (const shell of ['bash', 'zsh', 'fish'])
      it(`offers the swarms, bees and gateways of a running server in ${shell}`, { skip: skips(shell) }, async () => {
        await using here = await SwarmHere.open({}, { name: 'small' })
        const url = { WAGGLE_URL: here.url }
        assert.deepEqual(await offered(shell, ['waggle', 'swarms', 'get', ''], url), ['small'])
        assert.deepEqual((await offered(shell, ['waggle', 'bees', 'logs', 'small', ''], url)).toSorted(), ['answer', 'entrance', 'work'])
        assert.deepEqual(await offered(shell, ['waggle', 'request', ''], url), ['small'])
        assert.deepEqual(await offered(shell, ['waggle', 'dead-letters', 'list', '--swarm', ''], url), ['small'])
        assert.deepEqual(await offered(shell, ['waggle', 'top', '--url', here.url, ''], { WAGGLE_URL: 'http://127.0.0.1:9' }), ['small'])
        assert.deepEqual(await offered(shell, ['waggle', 'swarms', 'get', ''], { WAGGLE_URL: 'http://127.0.0.1:9' }), [])
      })

    it('accepts only names from a server, and no text that a shell would run', { skip: skips('bash') }, async () => {
      const names = ['good', '$(touch pwned)', '`touch pwned`', 'a b', '-x', "q'", 'new\nline', 'x'.repeat(300)]
      const web = createServer((_, response) => {
        response.setHeader('content-type', 'application/json').end(JSON.stringify(names.map((name) => ({ name, gateways: [] }))))
      })
      await new Promise<void>((resolve) => void web.listen(0, '127.0.0.1', resolve))
      const url = { WAGGLE_URL: `http://127.0.0.1:${(web.address() as AddressInfo).port}` }
      try {
        assert.deepEqual(await offered('bash', ['waggle', 'swarms', 'get', ''], url), ['good'])
        assert.equal(existsSync(join(directory, 'pwned')), false)
      } finally {
        web.closeAllConnections()
        web.close()
      }
    })
  })

  it('is refused for any other shell', () => {
    const { status, stderr } = spawnSync(process.execPath, [main, 'completion', 'tcsh'], { encoding: 'utf8' })
    assert.deepEqual([status, /Allowed choices are bash, zsh, fish/.test(stderr)], [2, true])
  })
})
