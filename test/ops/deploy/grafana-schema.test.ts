import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { grafanaCheck } from '../../support/grafana-check.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const found = grafanaCheck()
if ('missing' in found && process.env.CI === 'true') throw new Error(found.missing)

describe('The dashboards for Grafana', { skip: 'missing' in found ? found.missing : false }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-dashboards-'))
  after(() => rmSync(directory, { recursive: true }))
  const dashboards = globSync('ops/deploy/grafana/*.json', { cwd: root }).map((file) => join(root, file))
  const checked = (files: readonly string[]) => spawnSync('path' in found ? found.path : '', files, { encoding: 'utf8' })

  it('have only fields of Grafana’s schema, of the right types, and all that it requires', () => {
    assert.ok(dashboards.length >= 4)
    const { status, stdout } = checked(dashboards)
    assert.deepEqual({ status, stdout }, { status: 0, stdout: '' })
  })

  for (const [what, from, to, said] of [
    [
      'a field that Grafana does not have',
      '"displayMode": "list"',
      '"displayMod": "list"',
      /panels\[0\]\.options\.legend.*unexpected field 'displayMod'/,
    ],
    ['a value of another type', '"refresh": 2', '"refresh": "often"', /templating\.list\[0\]\.refresh: json: cannot unmarshal string/],
    ['a missing field', '"showLegend": true,', '', /panels\[0\]\.options\.legend\.showLegend: required field is missing/],
  ] as const)
    it(`are refused with ${what}`, () => {
      const file = join(directory, 'board.json')
      const text = readFileSync(join(root, 'ops/deploy/grafana/predictions.json'), 'utf8')
      assert.ok(text.includes(from))
      writeFileSync(file, text.replace(from, to))
      const { status, stdout } = checked([file])
      assert.equal(status, 1)
      assert.match(stdout, said)
    })
})
