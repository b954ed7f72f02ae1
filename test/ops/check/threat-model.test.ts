import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type KnownTests, unshownLines } from '../../../ops/check/threat-model.ts'

const tests: KnownTests = {
  find: (name) => (name.endsWith('a.test.ts') ? ['test/a.test.ts'] : []),
  textOf: () => "it('refuses a stranger', () => {})",
}
const found = (page: string) => unshownLines(page, tests).map(({ line, message }) => `${line} ${message}`)
const table = (...rows: readonly string[]) => ['## Doors', '| a stranger | gets | shown by |', '| --- | --- | --- |', ...rows].join('\n')

it('The check of threats accepts rows with a test and its title, with another title of the same test, and with a reason for a missing test', () => {
  const rows = [
    '| x | 401 | `test/a.test.ts`, “refuses a stranger” |',
    '| y | 403 | the same, “refuses” |',
    '| z | 400 | not tested: it would take a second of each run |',
  ]
  assert.deepEqual(found(table(...rows)), [])
})

it('The check of threats finds a row without a test, without a title or without a reason, and “the same” without a row above', () => {
  const rows = ['| x | 401 | |', '| y | 401 | the same |', '| z | 401 | `test/a.test.ts` |', '| w | 401 | the same |', '| v | 401 | not tested |']
  assert.deepEqual(found(table(...rows)), [
    '4 the row names no test: x',
    '5 the row names no test: y',
    '6 the row names no title of a test: z',
    '7 the row names no title of a test: w',
    '8 the row has no reason for its missing test: v',
  ])
})

it('The check of threats finds a table without the column of tests', () => {
  const page = '## Doors\n\nSee `test/a.test.ts`.\n\n| a stranger | gets |\n| --- | --- |\n| x | 401 |\n'
  assert.deepEqual(found(page), ['5 the last column of the table is not `shown by`', '7 the row names no test: x'])
})

it('The check of threats finds a test that does not exist, and a title that no test has', () => {
  assert.deepEqual(found(table('| x | 401 | `test/b.test.ts`, `a.test.ts`, “refuses” |', '| y | 401 | `a.test.ts`, “refuses a friend” |')), [
    '4 there is no test test/b.test.ts',
    '5 no test is named “refuses a friend” there',
  ])
})

it('The check of threats finds a section that names no test', () => {
  assert.deepEqual(found('## Doors\n\nThey are closed.\n\n## Windows\n\nSee `test/a.test.ts`.\n\n### Empty\n'), ['1 Doors names no test'])
})
