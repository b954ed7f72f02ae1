import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import type { Command } from 'commander'
import { program } from '../../../ops/cli/main.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

/** All commands that perform an action, with their words. */
function verbsOf(command: Command, words: readonly string[] = []): readonly { readonly words: readonly string[]; readonly command: Command }[] {
  if (command.commands.length === 0) return [{ words, command }]
  return command.commands.flatMap((one) => verbsOf(one, [...words, one.name()]))
}

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (more) => (text += more), writeErr: (more) => (text += more) })
  command.outputHelp()
  return text
}

/** The verbs for users. The help does not list `names`, which completion scripts call. */
const verbs = verbsOf(program).filter(({ words }) => words[0] !== 'names')

describe('Every verb of the command line', () => {
  it('is in the list of this test', () => {
    const names = verbs.map(({ words }) => words.join(' '))
    for (const name of ['run', 'top', 'completion', 'swarms apply', 'get-bee-logs', 'dead-letters retry', 'servers set'])
      assert.ok(names.includes(name), name)
    assert.ok(verbs.length > 50, `${verbs.length} verbs`)
  })

  it('has a description, and a help with examples that begin with its own words', () => {
    for (const { words, command } of verbs) {
      const help = helpOf(command)
      const [, examples = ''] = help.split(/^Examples:$/m)
      assert.notEqual(command.description(), '', words.join(' '))
      // The verbs of waxctl show the examples of the corresponding verbs.
      const own = words.length === 1 && /-(swarms?|bees?|bee-logs)$/.test(words[0] ?? '') ? 'waggle ' : `waggle ${words.join(' ')}`
      assert.ok(
        examples.split('\n').some((line) => line.includes(own)),
        `waggle ${words.join(' ')} --help has no example:\n${help}`,
      )
    }
  })

  it('prints JSON with --json, unless it prints a file for another program', () => {
    const printing = ['schema', 'completion']
    for (const { words, command } of verbs)
      if (!printing.includes(words[0] ?? ''))
        assert.ok(
          command.options.some(({ long }) => long === '--json'),
          words.join(' '),
        )
  })

  it('accepts a profile instead of an address', () => {
    for (const { words, command } of verbs) {
      const longs = command.options.map(({ long }) => long)
      if (longs.includes('--url') && words.join(' ') !== 'servers set') assert.ok(longs.includes('--profile'), words.join(' '))
    }
  })

  it('is suggested if a user mistypes it', async () => {
    const typos: readonly (readonly [string, string])[] = [
      ['serv', 'serve'],
      ['valdate', 'validate'],
      ['swarms aply', 'apply'],
      ['dead-leters list', 'dead-letters'],
      ['tokens creat', 'create'],
      ['topp', 'top'],
    ]
    for (const [typo, right] of typos) {
      const { status, err } = await waggle(...typo.split(' '))
      assert.equal(status, 2, typo)
      assert.match(err, new RegExp(`Did you mean .*${right}`), typo)
    }
    const option = await waggle('swarms', 'list', '--jsno')
    assert.deepEqual([option.status, /Did you mean --json/.test(option.err)], [2, true])
  })
})

function waggle(...argv: readonly string[]): Promise<{ readonly status: number; readonly out: string; readonly err: string }> {
  return new Promise((settle) => {
    execFile(process.execPath, [main, ...argv], (error, out, err) => settle({ status: error === null ? 0 : Number(error.code), out, err }))
  })
}
