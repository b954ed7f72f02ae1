import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { it } from 'node:test'
import { errorsPage, strayCodes } from '../../../ops/check/errors-page.ts'
import { errorCodes } from '../../../topology/error-codes.ts'

it('The table of errors has each code that a source throws, and no other code, and matches docs/errors.md', () => {
  const { status, stderr } = spawnSync(process.execPath, ['ops/check/errors-page.ts'], { encoding: 'utf8' })
  assert.equal(stderr, '')
  assert.equal(status, 0)
  assert.equal(readFileSync('docs/errors.md', 'utf8'), errorsPage())
})

it('The check of error codes names a code that is only compared, and a code that the table lacks', () => {
  const all = Object.keys(errorCodes)
    .filter((code) => code !== 'WAGGLE_FENCED')
    .map((code) => `throw new WaggleError('${code}', words)`)
    .join('\n')
  const stray = strayCodes(new Map([['a.ts', `${all}\nif (code === 'WAGGLE_FENCED') throw new WaggleError('WAGGLE_NO_SUCH_THING', words)`]]))
  assert.deepEqual(stray, { neverThrown: ['WAGGLE_FENCED'], unknown: ['WAGGLE_NO_SUCH_THING'] })
})

it('An environment variable does not count as an error code', () => {
  assert.deepEqual(strayCodes(new Map([['a.ts', "{ variable: 'WAGGLE_SETTING' }"]])).unknown, [])
})

it('Each row of the error table has an HTTP status from 400 on, an exit status from 1 to 3, and whole sentences', () => {
  for (const [code, { status, exit, meaning, next }] of Object.entries(errorCodes)) {
    assert.ok(status >= 400 && status < 600, code)
    assert.ok(exit >= 1 && exit <= 3, code)
    assert.match(meaning, /^[A-Z`].*\.$/, code)
    assert.match(next, /^[A-Z].*\.$/, code)
  }
})

it('Each error code in the documentation is in the error table', () => {
  // The variables of a server, of a client, and of a bee's process.
  const sources = ['ops/config/settings.ts', 'ops/config/kafka-settings.ts', 'connectors/gateway/client/gateway.ts', 'bees/PROTOCOL.md']
  const variables = new Set(sources.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/WAGGLE_[A-Z_]+/g)].map(([name]) => name)))
  for (const page of globSync('{docs/*.md,docs/decisions/*.md,README.md}')) {
    for (const [, code = ''] of readFileSync(page, 'utf8').matchAll(/`(WAGGLE_[A-Z_]+[A-Z])`/g)) {
      const isKnown = Object.hasOwn(errorCodes, code) || variables.has(code)
      assert.ok(isKnown || code.startsWith('WAGGLE_SECRET'), `${page} names ${code}`)
    }
  }
})
