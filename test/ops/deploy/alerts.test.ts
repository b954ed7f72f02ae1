import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

const lag = 'kafka_consumer_consumer_fetch_manager_metrics_records_lag{topic="t",partition="0"}'

/** Series with their values, a sample a minute, in promtool's notation: `0+1x40` begins with 0 and rises by 1, forty times. */
type Series = { readonly [series: string]: string }

/** One bucket each of a histogram, with the same labels. */
function buckets(name: string, labels: string, values: { readonly [le: string]: string }): Series {
  return Object.fromEntries(Object.entries(values).map(([le, value]) => [`${name}_bucket{${labels},le="${le}"}`, value]))
}

/** Alerts on other expressions: series for which an alert fires at a minute, and series for which it does not. */
const others: { readonly [alert: string]: { readonly minute: number; readonly fires: readonly Series[]; readonly quiet: readonly Series[] } } = {
  WaggleDown: {
    minute: 10,
    fires: [{ 'up{job="waggle",instance="i"}': '1x5 0x20' }],
    quiet: [{ 'up{job="waggle",instance="i"}': '1x30' }, { 'up{job="waggle",instance="i"}': '1x9 0x20' }, { 'up{job="other",instance="i"}': '0x30' }],
  },
  WaggleSwarmNotReady: {
    minute: 12,
    fires: [{ 'waggle_swarm_ready{swarm="s",instance="a"}': '1x30', 'waggle_swarm_ready{swarm="s",instance="b"}': '1x5 0x20' }],
    quiet: [{ 'waggle_swarm_ready{swarm="s"}': '1x30' }, { 'waggle_swarm_ready{swarm="s"}': '1x9 0x1 1x20' }],
  },
  WaggleRequestsFail: {
    minute: 20,
    fires: [requests({ 200: '0+10x40', 502: '0+1x40' })],
    quiet: [requests({ 200: '0+10x40', 502: '0+0.3x40' }), requests({ 200: '0+10x40', 422: '0+5x40' })],
  },
  WaggleRequestsSlow: {
    minute: 20,
    fires: [buckets('waggle_gateway_request_duration_seconds', 'gateway="g",call="request"', { 10: '0+1x40', 30: '0+100x40', '+Inf': '0+100x40' })],
    quiet: [
      buckets('waggle_gateway_request_duration_seconds', 'gateway="g",call="request"', { 10: '0+100x40', 30: '0+100x40', '+Inf': '0+100x40' }),
      buckets('waggle_gateway_request_duration_seconds', 'gateway="g",call="submit"', { 10: '0+1x40', 30: '0+100x40', '+Inf': '0+100x40' }),
    ],
  },
  WaggleBeeFails: {
    minute: 20,
    fires: [{ [rows('result')]: '0+10x40', [rows('failed')]: '0+1x40' }],
    quiet: [
      { [rows('result')]: '0+10x40', [rows('failed')]: '0+0.3x40' },
      { [rows('result')]: '0+10x40', [rows('refused')]: '0+10x40' },
    ],
  },
  WaggleBeeQueueGrows: {
    minute: 20,
    fires: [{ ...waits({ 5: '0+1x40', 10: '0+100x40', '+Inf': '0+100x40' }), 'waggle_bee_waiting_rows{swarm="s",bee="b"}': '3x40' }],
    quiet: [
      { ...waits({ 5: '0+1x40', 10: '0+100x40', '+Inf': '0+100x40' }), 'waggle_bee_waiting_rows{swarm="s",bee="b"}': '0x40' },
      { ...waits({ 5: '0+95x40', 10: '0+100x40', '+Inf': '0+100x40' }), 'waggle_bee_waiting_rows{swarm="s",bee="b"}': '3x40' },
    ],
  },
  WaggleNotCommitting: {
    minute: 10,
    fires: [{ 'waggle_swarm_uncommitted_seconds{swarm="s"}': '0x5 20+60x20' }],
    quiet: [{ 'waggle_swarm_uncommitted_seconds{swarm="s"}': '5x30' }],
  },
  WaggleThreadFails: {
    minute: 15,
    fires: [{ 'waggle_swarm_failures_total{swarm="s"}': '0+1x40' }],
    quiet: [{ 'waggle_swarm_failures_total{swarm="s"}': '0x10 1x30' }],
  },
  WaggleLagGrows: {
    minute: 30,
    fires: [{ [lag]: '2000+100x40' }],
    quiet: [{ [lag]: '9000-100x40' }, { [lag]: '10+1x40' }],
  },
  WaggleLogFull: {
    minute: 15,
    fires: [{ 'waggle_log_refuses{instance="i"}': '0x5 1x30' }, ofTwo('waggle_log_bytes', 'waggle_log_max_bytes', 95)],
    quiet: [{ 'waggle_log_refuses{instance="i"}': '0x40', ...ofTwo('waggle_log_bytes', 'waggle_log_max_bytes', 80) }],
  },
  WaggleClaimStoreFull: {
    minute: 15,
    fires: [ofTwo('waggle_claim_store_bytes', 'waggle_claim_store_max_bytes', 95)],
    quiet: [ofTwo('waggle_claim_store_bytes', 'waggle_claim_store_max_bytes', 80)],
  },
  WaggleClaimStoreAway: {
    minute: 14,
    fires: [{ 'waggle_claims_away_total{instance="i"}': '0+1x40' }],
    quiet: [{ 'waggle_claims_away_total{instance="i"}': '0x40' }, { 'waggle_claims_away_total{instance="i"}': '0x10 1x40' }],
  },
  WaggleEventLoopBlocked: {
    minute: 10,
    fires: [{ 'nodejs_eventloop_lag_seconds{instance="i",quantile="0.99"}': '0.8x30' }],
    quiet: [
      { 'nodejs_eventloop_lag_seconds{instance="i",quantile="0.99"}': '0.2x30' },
      { 'nodejs_eventloop_lag_seconds{instance="i",quantile="0.999"}': '0.8x30' },
    ],
  },
  WaggleClockBehind: {
    minute: 5,
    fires: [{ 'waggle_clock_behind_seconds{instance="i"}': '3x20' }],
    quiet: [{ 'waggle_clock_behind_seconds{instance="i"}': '1x20' }],
  },
}

/** True if an alert fires at a minute, by Prometheus' own evaluation of the rules. */
async function firing(alert: string, series: Series, minute: number): Promise<boolean> {
  if ('missing' in promtool) throw new Error(promtool.missing)
  const directory = mkdtempSync(join(tmpdir(), 'waggle-alerts-'))
  try {
    const test = {
      interval: '1m',
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
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
      assert.equal(await firing(alert, { [series]: '0x10 7x40' }, 16), true, 'after 0')
      assert.equal(await firing(alert, { [series]: '_x10 7x40' }, 16), true, 'a series that begins')
      assert.equal(await firing(alert, { [series]: '_x10 7x40' }, 40), false, 'half an hour later')
      assert.equal(await firing(alert, { [series]: '0x50' }, 16), false, 'always 0')
      assert.equal(await firing(alert, { [series]: '_x10 0x40' }, 16), false, 'a series that begins with 0')
    })
  }
})

describe('An alert on anything else', { skip }, () => {
  for (const [alert, { minute, fires, quiet }] of Object.entries(others)) {
    it(`${alert} fires for the series that it is about, and for no others`, async () => {
      for (const series of fires) assert.equal(await firing(alert, series, minute), true, JSON.stringify(series))
      for (const series of quiet) assert.equal(await firing(alert, series, minute), false, JSON.stringify(series))
    })
  }
})

describe('The alert rules', { skip }, () => {
  it('pass promtool check rules', async () => {
    if ('missing' in promtool) throw new Error(promtool.missing)
    const { stdout } = await promisify(execFile)(promtool.program, ['check', 'rules', rules], { env: { ...process.env, ...promtool.env } })
    assert.match(stdout, /SUCCESS: \d+ rules found/)
  })
})

describe('Each alert', () => {
  it('has series here for which it fires, and series for which it does not', () => {
    const named = [...readFileSync(rules, 'utf8').matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name)
    assert.deepEqual(new Set(named), new Set([...counters.map(([alert]) => alert), ...Object.keys(others)]))
  })
})

function requests(byStatus: { readonly [status: string]: string }): Series {
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, values]) => [`waggle_gateway_requests_total{gateway="g",status="${status}"}`, values]),
  )
}

function rows(outcome: string): string {
  return `waggle_bee_rows_total{swarm="s",bee="b",outcome="${outcome}"}`
}

function waits(values: { readonly [le: string]: string }): Series {
  return buckets('waggle_bee_wait_duration_seconds', 'swarm="s",bee="b"', values)
}

/** Bytes that are so many percent of their bound. */
function ofTwo(bytes: string, bound: string, percent: number): Series {
  return { [`${bytes}{instance="i"}`]: `${percent}x40`, [`${bound}{instance="i"}`]: '100x40' }
}
