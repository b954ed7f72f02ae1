import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'

/** A line of the threat model that names no test, or a test that does not exist. */
export interface Unshown {
  readonly line: number
  readonly message: string
}

/** The tests of the repository. */
export interface KnownTests {
  /** The paths of a test file or folder. A page names a test by its path or by its file name. Empty if there is no such test. */
  find(name: string): readonly string[]
  textOf(path: string): string
}

/**
 * Lines of a threat model that name no test. The last column of each table is `shown by`. There each row names the file of its test, or `the same`
 * for that of the row above, and the title of the test in “quotes”; or it says `not tested: ` with the reason. Any other line is covered by the
 * tests that its section names.
 */
export function unshownLines(page: string, tests: KnownTests): readonly Unshown[] {
  const found: Unshown[] = []
  let section: Section | null = null
  let isTable = false
  let before: readonly string[] = []
  const end = () => {
    if (section?.hasContent === true && !section.isShown) found.push({ line: section.line, message: `${section.title} names no test` })
  }
  for (const [at, text] of page.split('\n').entries()) {
    const line = at + 1
    const heading = /^#{2,3} (.*)/.exec(text)?.[1]
    if (heading !== undefined) {
      end()
      section = { title: heading, line, hasContent: false, isShown: false }
      continue
    }
    const named = namesIn(text)
    for (const name of named) if (tests.find(name).length === 0) found.push({ line, message: `there is no test ${name}` })
    if (section !== null && text.trim() !== '') section = { ...section, hasContent: true, isShown: section.isShown || named.length > 0 }
    if (!text.startsWith('|')) {
      isTable = false
      before = []
      continue
    }
    const cells = text
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim())
    const last = cells.at(-1) ?? ''
    if (!isTable) {
      isTable = true
      if (last !== 'shown by') found.push({ line, message: 'the last column of the table is not `shown by`' })
      continue
    }
    if (/^[-:]+$/.test(last)) continue
    if (untested.test(last)) {
      if (!untestedWithReason.test(last)) found.push({ line, message: `the row has no reason for its missing test: ${cells[0] ?? ''}` })
      continue
    }
    const own = namesIn(last)
    const files = (own.length > 0 ? own : /\bthe same\b/.test(last) ? before : []).flatMap((name) => tests.find(name))
    before = own.length > 0 ? own : before
    const titles = [...last.matchAll(/“([^”]+)”/g)].map(([, title = '']) => title)
    if (files.length === 0) found.push({ line, message: `the row names no test: ${cells[0] ?? ''}` })
    else if (titles.length === 0) found.push({ line, message: `the row names no title of a test: ${cells[0] ?? ''}` })
    for (const title of titles)
      if (!files.some((file) => tests.textOf(file).includes(title))) found.push({ line, message: `no test is named “${title}” there` })
  }
  end()
  return found
}

interface Section {
  readonly title: string
  readonly line: number
  readonly hasContent: boolean
  readonly isShown: boolean
}

const untested = /^not tested\b/
const untestedWithReason = /^not tested: \S.{19,}$/

/** The tests that a text names in backquotes: test files, folders below `test/`, and the commands that run tests. */
function namesIn(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) =>
    /\.test\.ts$|^test\/[^\sA-Z]+$|^npm run (fuzz|faults|chaos)\b/.test(code) ? [code] : [],
  )
}

/** The tests below a folder. */
export function testsIn(root: string): KnownTests {
  const all = globSync('test/**/*.test.ts', { cwd: root })
  return {
    find(name) {
      if (name.startsWith('npm run')) return ['package.json']
      if (name.startsWith('test/')) return existsSync(join(root, name)) ? [name] : []
      return all.filter((path) => basename(path) === name || path.endsWith(`/${name}`))
    },
    textOf: (path) => (path.endsWith('.ts') ? readFileSync(join(root, path), 'utf8') : ''),
  }
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..', '..')
  const unshown = unshownLines(readFileSync(join(root, 'docs', 'security.md'), 'utf8'), testsIn(root))
  for (const { line, message } of unshown) process.stderr.write(`docs/security.md:${line}: ${message}\n`)
  if (unshown.length > 0) process.exitCode = 1
}
