import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'

const root = resolve(import.meta.dirname, '..', '..')
const page = readFileSync(join(root, 'docs', 'kafka-streams.md'), 'utf8')

/** The rows of the tables of features: the feature, Waggle's form of it, and the cell that names its tests. */
const rows = tablesWith('test').map(([what = '', how = '', tests = '']) => ({ what, how, tests }))

describe('The page about Kafka Streams', () => {
  it('names only tests that exist', () => {
    const named = rows.flatMap(({ tests }) => [...tests.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path))
    assert.ok(named.length > 100, `${named.length} tests are named`)
    assert.deepEqual(
      named.filter((path) => !existsSync(join(root, 'test', path))),
      [],
    )
    assert.ok(existsSync(join(root, 'test', page.match(/\*D\* is the differential\s+test above, `([^`]+)`/)?.[1] ?? 'nowhere')))
  })

  it('names a test for each feature that Waggle has, and advice for all other features', () => {
    const isTested = (tests: string) => /^D\b|`/.test(tests)
    const wrong = rows.filter(({ how, tests }) =>
      how.startsWith('not there') ? !/^not there( yet)?[:; ]/.test(how) : !/^(as there|differs|beyond it)\b/.test(how) || !isTested(tests),
    )
    assert.deepEqual(wrong, [])
  })

  it('links to headings and files that exist', () => {
    const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
      text
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .replace(/ /g, '-'),
    )
    const files = new Set(readdirSync(join(root, 'docs')))
    const links = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link)
    assert.deepEqual(
      links.filter((link) => (link.startsWith('#') ? !headings.includes(link.slice(1)) : !files.has(link.split('#')[0] ?? ''))),
      [],
    )
  })
})

/** The cells of each row in the tables whose last column has this name. */
function tablesWith(lastColumn: string): readonly (readonly string[])[] {
  const cells = (line: string) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim())
  return [...page.matchAll(/(?:^\|.*\|\n)+/gm)]
    .map(([table]) => table.trimEnd().split('\n').map(cells))
    .filter(([header]) => header?.at(-1) === lastColumn)
    .flatMap((table) => table.slice(2))
}
