import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join, resolve, sep } from 'node:path'
import { describe, it } from 'node:test'
import { type Command, CommanderError } from 'commander'
import { Value } from 'typebox/value'
import { parse } from 'yaml'
import { BeeRegistry } from '../../bees/registry.ts'
import { program } from '../../ops/cli/main.ts'
import { configSchema } from '../../ops/config/settings.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import { SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type CodeBlock, codeBlocks } from '../support/page-steps.ts'
import { typedBlocks } from '../support/typed-blocks.ts'

const root = resolve(import.meta.dirname, '..', '..')

interface PageBlock extends CodeBlock {
  readonly page: string
  /** The heading of the second level before the block; empty if there is none. */
  readonly section: string
}

const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root, exclude: ['docs/.vitepress/**'] })].map((page) => page.split(sep).join('/'))
/** The blocks in a language that can be run. A block without a language is an output. */
const blocks: readonly PageBlock[] = pages.flatMap((page) => {
  const text = readFileSync(join(root, page), 'utf8')
  const lines = text.split('\n')
  return codeBlocks(text).flatMap((block) => {
    const section =
      lines
        .slice(0, block.line - 1)
        .findLast((line) => line.startsWith('## '))
        ?.slice(3) ?? ''
    return ['', 'text', 'json', 'toml', 'mermaid'].includes(block.language) ? [] : [{ page, section, ...block }]
  })
})

/** A test that runs the blocks of a page, all of them or those of some languages or of a section. */
interface RunningTest {
  readonly page: RegExp
  readonly languages?: readonly string[]
  readonly section?: string
  readonly test: string
}

/** `commands.test.ts` runs the blocks of `typedBlocks` too. */
const running: readonly RunningTest[] = [
  { page: /^docs\/first-hour\.md$/, test: 'docs/first-hour.test.ts' },
  { page: /^docs\/operate\/kubernetes\.md$/, languages: ['yaml'], test: 'ops/deploy/kubernetes.test.ts' },
  { page: /^docs\/tutorial\//, test: 'docs/tutorials.test.ts' },
  { page: /^docs\/(from-java|kafka-streams|stream-bees|testing|schema-registry)\.md$/, languages: ['ts'], test: 'docs/programs.test.ts' },
  { page: /^docs\/clients\.md$/, languages: ['python', 'ts', 'js', 'yaml'], test: 'docs/clients-page.test.ts' },
  { page: /^docs\/python\.md$/, languages: ['python'], test: 'docs/python-page.test.ts' },
  { page: /^docs\/models\.md$/, languages: ['python'], test: 'docs/tutorials.test.ts' },
  { page: /^docs\/(bee-packages|operate\/serve|operate\/large-payloads)\.md$/, test: 'docs/followed-pages.test.ts' },
  { page: /^docs\/operations\.md$/, section: 'Topics and dead letters', test: 'docs/followed-pages.test.ts' },
  { page: /^docs\/schema-registry\.md$/, section: 'Predictions of a swarm', test: 'docs/followed-pages.test.ts' },
  { page: /^docs\/types\.md$/, languages: ['ts', 'python'], test: 'docs/types-page.test.ts' },
  { page: /^docs\/analytics\.md$/, languages: ['sql'], test: 'ops/cli/sql.test.ts' },
  { page: /^docs\/models\.md$/, languages: ['sql'], test: 'ops/cli/sql.test.ts' },
]

const typed = Object.values(typedBlocks).flat()
/** A block that says the same as one that is typed needs no second run. */
const typedTexts = new Set(
  blocks.filter(({ page, text }) => typed.some((one) => one.page === page && text.startsWith(one.begins))).map(({ text }) => text),
)
const isRun = ({ page, section, language, text }: PageBlock) =>
  running.some(
    (one) =>
      one.page.test(page) &&
      (one.languages === undefined || one.languages.includes(language)) &&
      (one.section === undefined || one.section === section),
  ) ||
  typed.some((one) => one.page === page && text.startsWith(one.begins)) ||
  typedTexts.has(text)
const placeOf = ({ page, line }: PageBlock) => `${page}:${line}`

describe('Each block of code in the documentation', () => {
  it('is run by a test, or says why it is not', () => {
    const left = blocks.filter((block) => block.notRun === null && block.language !== 'yaml' && !isRun(block))
    assert.deepEqual(left.map(placeOf), [])
  })

  it('is run by a test that reads the page', () => {
    for (const { page, section, test } of running) {
      const source = readFileSync(join(root, 'test', test), 'utf8')
      const named = pages.filter((one) => page.test(one))
      assert.ok(named.length > 0, String(page))
      for (const one of named) assert.ok(source.includes(basename(one, '.md')), `${test} does not name ${one}`)
      assert.ok(section === undefined || source.includes(`'${section}'`), `${test} does not name the section “${section}”`)
    }
  })

  it('has a reason of some words where it is not run', () => {
    for (const block of blocks) if (block.notRun !== null) assert.ok(block.notRun.split(' ').length >= 4, placeOf(block))
  })

  it('calls `waggle` with commands and options that it has', async () => {
    silence(program)
    const wrong: string[] = []
    let checked = 0
    for (const block of blocks.filter(({ language }) => isShell(language)))
      for (const words of waggleCalls(block.text)) {
        checked += 1
        try {
          await program.parseAsync(words, { from: 'user' })
        } catch (thrown) {
          if (thrown instanceof CommanderError && thrown.exitCode !== 0) wrong.push(`${placeOf(block)} waggle ${words.join(' ')}: ${thrown.message}`)
        }
      }
    assert.ok(checked > 80, `${checked} calls`)
    assert.deepEqual(wrong, [])
  })

  it('calls npm with scripts that package.json has, and names files of the repository that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly scripts: object }
    const wrong: string[] = []
    for (const block of blocks.filter(({ language }) => isShell(language))) {
      for (const [, script = ''] of block.text.matchAll(/\bnpm run (?:-s )?([\w:-]+)/g))
        if (!Object.hasOwn(scripts, script)) wrong.push(`${placeOf(block)} ${script}`)
      for (const [path] of block.text.matchAll(/(?<![\w./-])(?:swarms|examples|ops)\/[\w./-]+\.\w+/g))
        if (!existsSync(join(root, path))) wrong.push(`${placeOf(block)} ${path}`)
    }
    assert.deepEqual(wrong, [])
  })

  it('has swarms and bees that the check of swarm files passes, and settings that exist', () => {
    const registry = new BeeRegistry()
    const wrong: string[] = []
    for (const block of blocks.filter((one) => one.language === 'yaml' && one.notRun === null && !isRun(one))) {
      const value: unknown = parse(block.text)
      const isSettings = value !== null && typeof value === 'object' && !Array.isArray(value) && !('bees' in value)
      if (isSettings && !Value.Check(configSchema, value)) wrong.push(`${placeOf(block)} has a setting that does not exist`)
      if (!isSettings) wrong.push(...mistakesIn(value, registry).map((mistake) => `${placeOf(block)} ${mistake}`))
    }
    assert.deepEqual(wrong, [])
  })
})

function isShell(language: string): boolean {
  return language === 'sh' || language === 'bash'
}

/** Replaces what commands do by nothing. */
function silence(command: Command): void {
  command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} })
  if (command.commands.length === 0) command.action(() => {})
  for (const one of command.commands) silence(one)
}

/** The arguments of each call of `waggle` in a script. */
function waggleCalls(script: string): readonly (readonly string[])[] {
  const lines = script.replaceAll('\\\n', ' ').split('\n')
  return lines.flatMap((line) => {
    const [, rest] = /(?:^|\| |\(|&& |[A-Z_]+=\S+ )(?:npx waggle|npm run -s waggle --|waggle) +(.*)$/.exec(line) ?? []
    return rest === undefined ? [] : [wordsOf(rest)]
  })
}

/** The words of a command up to a comment, a redirection, a pipe or a further command. */
function wordsOf(text: string): readonly string[] {
  const words: string[] = []
  for (const [word] of text.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
    if (/^(?:#|[<>|&;])/.test(word)) break
    // A call in `$(…)` or `<(…)` ends with its bracket.
    words.push(word.replaceAll(/['"]/g, '').replace(/\)$/, ''))
  }
  return words
}

interface SomeBee {
  readonly name: string
  readonly input?: { readonly name?: string; readonly join?: readonly string[]; readonly stack?: readonly string[] }
}

/** The mistakes of a swarm, or of a list of some bees. Such a list gets an entrance for each input that is not in it, and needs no readers. */
function mistakesIn(value: unknown, registry: BeeRegistry): readonly string[] {
  const isWhole = value !== null && typeof value === 'object' && 'name' in value
  const bees = (value !== null && typeof value === 'object' && 'bees' in value ? value.bees : value) as readonly SomeBee[]
  const named = new Set(bees.map(({ name }) => name))
  const inputs = bees.flatMap(({ input: { name = [], join: joined = [], stack = [] } = {} }) => [name, joined, stack].flat())
  const entrances = [...new Set(inputs)]
    .filter((name) => !named.has(name))
    .map((name) => ({ name, type: 'gateway-input', spec: { name: `${name}-door` } }))
  const text = JSON.stringify(isWhole ? value : { name: 'whole', bees: [...entrances, ...bees] })
  try {
    checkSwarm(SwarmDocument.parse(text, 'bees'), registry)
    return []
  } catch (thrown) {
    if (!(thrown instanceof WaggleError)) throw thrown
    const mistakes = thrown.message.split('\n').slice(1)
    return isWhole ? mistakes : mistakes.filter((mistake) => !/ does not read |, where .* (is|are) taken by /.test(mistake))
  }
}
