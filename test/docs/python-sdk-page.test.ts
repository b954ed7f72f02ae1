import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { skipWithoutPython } from '../support/python-bee.ts'
import { sdk, sdkEnvironment, sdkPython } from '../support/python-sdk.ts'

const found = skipWithoutPython === false ? sdkPython() : { missing: skipWithoutPython }
const python = 'python' in found ? found.python : ''
const page = join(sdk, 'README.md')

describe('The README of the Python SDK', { skip: 'missing' in found ? found.missing : false }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-readme-'))
  after(() => rmSync(directory, { recursive: true }))

  it('has examples with the shown results', () => {
    assert.match(run([resolve(import.meta.dirname, '..', 'support', 'python_page.py'), page]), /^1\d examples$/m)
    assert.deepEqual(readdirSync(directory).sort(), ['shout.py', 'test_shout.py'])
  })

  it('has an example test that pytest runs', () => {
    assert.match(run(['-m', 'pytest', '-q', '-p', 'waggle.pytest_plugin', '-p', 'no:cacheprovider']), /1 passed/)
  })

  it('has a command that runs a bee by hand', () => {
    const command = /^echo .*\| python -m waggle\.runner .*$/m.exec(readFileSync(page, 'utf8'))?.[0] ?? ''
    const { stdout } = spawnSync('sh', ['-c', command.replace('| python ', `| '${python}' `)], {
      cwd: directory,
      env: sdkEnvironment,
      encoding: 'utf8',
    })
    assert.equal(stdout.split('\n')[1], '{"id":1,"json":{"text":"HELLO"}}')
  })

  function run(args: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync(python, args, { cwd: directory, env: sdkEnvironment, encoding: 'utf8' })
    assert.equal(status, 0, `${stdout}${stderr}`)
    return stdout
  }
})
