import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type KnownTests, unshownLines } from '../../../ops/check/threat-model.ts'

const tests: KnownTests = {
  find: (name) => (name.endsWith('a.test.ts') ? ['test/a.test.ts'] : []),
  textOf: () => "it('refuses a stranger', () => {})",
}
const found = (page: string) => unshownLines(page, tests).map(({ line, message }) => `${line} ${message}`)
const table = (...rows: readonly string[]) => ['## Doors', '| a stranger | gets | shown by |', '| --- | --- | --- |', ...rows].join('\n')

it('The check of threats accepts rows with a test, with a test and its title, and with the test of the row above', () => {
  assert.deepEqual(found(table('| x | 401 | `test/a.test.ts` |', '| y | 403 | the same |', '| z | 400 | `a.test.ts`, “refuses a stranger” |')), [])
})

it('The check of threats finds a row without a test, and the words “the same” without a row above', () => {
  assert.deepEqual(found(table('| x | 401 | |', '| y | 401 | the same |', '| z | 401 | `test/a.test.ts` |')), [
    '4 the row names no test: x',
    '5 the row names no test: y',
  ])
})

it('The check of threats finds a test that does not exist, and a title that no test has', () => {
  assert.deepEqual(found(table('| x | 401 | `test/b.test.ts`, `a.test.ts` |', '| y | 401 | `a.test.ts`, “refuses a friend” |')), [
    '4 there is no test test/b.test.ts',
    '5 no test is named “refuses a friend” there',
  ])
})

it('The check of threats finds a section that names no test', () => {
  assert.deepEqual(found('## Doors\n\nThey are closed.\n\n## Windows\n\nSee `test/a.test.ts`.\n\n### Empty\n'), ['1 Doors names no test'])
})
