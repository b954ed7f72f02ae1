import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { it } from 'node:test'
import { pathToFileURL } from 'node:url'

const file = pathToFileURL(resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'console.ts')).href
const program = `
const { Console } = await import(${JSON.stringify(file)})
const { stdout, stderr } = process
new Console({ json: false, stdout, stderr, clock: { now: () => 0 }, threshold: { shows: () => true } }).log('work', 'error', 'it failed')
`

it('The log has no colours in a pipe, even if CI is set', () => {
  for (const env of [{}, { CI: 'true' }, { CI: 'true', TERM: 'xterm-256color' }]) {
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env: { ...process.env, ...env }, encoding: 'utf8' })
    assert.equal(stderr, '1970-01-01T00:00:00.000Z error work: it failed\n')
  }
})
