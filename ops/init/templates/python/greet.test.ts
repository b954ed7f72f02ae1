import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

/** The Python package `waggle`. A running bee finds this package by itself, but a test does not. */
const sdk = join(dirname(fileURLToPath(import.meta.resolve('waggle-streams/package.json'))), 'bees', 'python', 'sdk', 'src')

it('the bee passes its tests in test_greet.py', () => {
  const { status, stderr, error } = spawnSync('python3', ['-B', '-m', 'unittest', 'test_greet'], {
    cwd: import.meta.dirname,
    env: { ...process.env, PYTHONPATH: sdk },
    encoding: 'utf8',
  })
  assert.equal(status, 0, error?.message ?? stderr)
})
