import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { programOfDebian } from '../../support/debian-program.ts'

const rules = resolve(import.meta.dirname, '../../../ops/deploy/alerts.yml')
const promtool = programOfDebian('promtool', { package: 'prometheus' })
const skip = 'missing' in promtool && process.env.CI !== 'true' ? promtool.missing : false

/** The alerts of one counter, with the labels of a series and of its alert. */
const counters = [
  ['WaggleRecordsLost', 'waggle_swarm_lost_records_total{swarm="s",thread_id="t",topic="in",partition="0"}'],
  ['WaggleDeadLetters', 'waggle_swarm_dead_letters_total{swarm="s",thread_id="t",task_id="0_0"}'],
  ['WaggleClaimStoreFull', 'waggle_claims_refused_total{instance="i"}'],
  ['WaggleModelVersionRefused', 'waggle_model_versions_refused_total{swarm="s",bee="b"}'],
] as const

/** The alerts that fire at a minute, by Prometheus' own evaluation of the rules. `values` has a sample a minute. */
async function firing(alert: string, series: string, values: string, minute: number): Promise<boolean> {
  if ('missing' in promtool) throw new Error(promtool.missing)
  const directory = mkdtempSync(join(tmpdir(), 'waggle-alerts-'))
  try {
    const test = {
      interval: '1m',
      input_series: [{ series, values }],
      alert_rule_test: [{ eval_time: `${minute}m`, alertname: alert, exp_alerts: [] }],
    }
    writeFileSync(join(directory, 'test.yml'), stringify({ rule_files: [rules], evaluation_interval: '1m', tests: [test] }))
    // promtool expects no alert. It fails, and names the alert, if there is one.
    const env = { ...process.env, ...promtool.env }
    const ran = await promisify(execFile)(promtool.program, ['test', 'rules', join(directory, 'test.yml')], { env }).then(
      () => ({ code: 0, text: '' }),
      (error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => ({
        code: error.code,
        text: `${error.stdout}${error.stderr}`,
      }),
    )
    if (ran.code === 0) return false
    assert.match(ran.text, new RegExp(`got:\\s*\\[[\\s\\S]*alertname="${alert}"`), ran.text)
    return true
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

describe('An alert on a count', { skip }, () => {
  for (const [alert, series] of counters) {
    it(`${alert} fires for the first count, both after 0 and in a series that begins with it, and ends`, async () => {
      assert.equal(await firing(alert, series, '0x10 7x40', 16), true, 'after 0')
      assert.equal(await firing(alert, series, '_x10 7x40', 16), true, 'a series that begins')
      assert.equal(await firing(alert, series, '_x10 7x40', 40), false, 'half an hour later')
      assert.equal(await firing(alert, series, '0x50', 16), false, 'always 0')
      assert.equal(await firing(alert, series, '_x10 0x40', 16), false, 'a series that begins with 0')
    })
  }
})
