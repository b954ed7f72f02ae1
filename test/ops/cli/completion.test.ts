import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const has = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0

describe('Completion', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-completion-'))
  after(() => rmSync(directory, { recursive: true }))

  function script(shell: string): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'completion', shell], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    const file = join(directory, shell)
    writeFileSync(file, stdout)
    return file
  }

  /** The words that bash offers after these words. */
  function inBash(file: string, ...words: readonly string[]): readonly string[] {
    const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _waggle; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { status, stdout, stderr } = spawnSync('bash', ['-c', program, 'bash', file, ...words], { encoding: 'utf8', cwd: directory })
    assert.deepEqual([status, stderr], [0, ''])
    return stdout.trimEnd().split('\n')
  }

  it('for bash offers commands, verbs, options, choices and files', { skip: !has('bash') && 'there is no bash' }, () => {
    const file = script('bash')
    assert.deepEqual(inBash(file, 'waggle', 'dead'), ['dead-letters'])
    const verbs = inBash(file, 'waggle', 'dead-letters', '')
    for (const verb of ['list', 'show', 'retry', 'discard']) assert.ok(verbs.includes(verb), verb)
    assert.deepEqual(inBash(file, 'waggle', 'dead-letters', 'retry', '--ca'), ['--cause'])
    assert.deepEqual(inBash(file, 'waggle', 'init', 'x', '--template', 'py'), ['python'])
    assert.deepEqual(inBash(file, 'waggle', 'completion', 'z'), ['zsh'])
    writeFileSync(join(directory, 'swarm.yaml'), '')
    assert.deepEqual(inBash(file, 'waggle', 'validate', 'swa'), ['swarm.yaml'])
    // The verbs of another group are not offered.
    assert.equal(inBash(file, 'waggle', 'tokens', '').includes('tail'), false)
    // The verbs of waxctl are left out, as in the help.
    assert.equal(inBash(file, 'waggle', '').includes('create-swarm'), false)
  })

  it('for zsh is a script that zsh can parse', { skip: !has('zsh') && 'there is no zsh' }, () => {
    assert.equal(spawnSync('zsh', ['-n', script('zsh')]).status, 0)
  })

  it('for fish offers commands, verbs and choices', { skip: !has('fish') && 'there is no fish' }, () => {
    const offered = (line: string) =>
      spawnSync('fish', ['-c', `source ${script('fish')}; complete -C ${JSON.stringify(line)}`], { encoding: 'utf8' }).stdout
    assert.match(offered('waggle dead'), /^dead-letters\t/m)
    assert.match(offered('waggle dead-letters re'), /^retry\t/m)
    assert.match(offered('waggle init x --template py'), /^python/m)
  })

  it('is refused for any other shell', () => {
    const { status, stderr } = spawnSync(process.execPath, [main, 'completion', 'tcsh'], { encoding: 'utf8' })
    assert.deepEqual([status, /Allowed choices are bash, zsh, fish/.test(stderr)], [2, true])
  })
})
