import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { it } from 'node:test'

it('.ci/run sets CI=true, so that tests fail and are not skipped if Java or Python is missing', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-ci-'))
  writeFileSync(join(directory, 'npm'), '#!/bin/sh\necho "$* with CI=$CI in $PWD"\n')
  chmodSync(join(directory, 'npm'), 0o755)
  const root = resolve(import.meta.dirname, '..', '..', '..')
  const { CI: _, ...env } = process.env
  const out = execFileSync(join(root, '.ci', 'run'), { env: { ...env, PATH: `${directory}${delimiter}${process.env.PATH}` }, encoding: 'utf8' })
  rmSync(directory, { recursive: true })
  assert.equal(out, `test with CI=true in ${root}\n`)
})
