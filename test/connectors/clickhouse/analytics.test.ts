import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type ClickHouseClient, createClient } from '@clickhouse/client'
import { ClickHouseDatabase } from '../../../connectors/clickhouse/clickhouse-database.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { dashboardQueries } from '../../../ops/check/dashboard-queries.ts'
import { clickHouseSource, panelSql } from '../../../ops/check/dashboard-sql.ts'
import type { PredictionRow } from '../../../topology/swarm/ports/database.ts'
import { chosenClickHouse, type RunningClickHouse } from '../../support/clickhouse-server.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const chosen = chosenClickHouse()
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Two bees judge ten requests of today, and disagree about three of them. A week ago `strict` gave all of them a lower score. */
function rowsOf(now: number): readonly PredictionRow[] {
  const row = (bee: string, at: number, { label, score, predictedAt }: { label: string; score: number; predictedAt: number }): PredictionRow => ({
    swarm: 'shop',
    bee,
    request_id: `${predictedAt < now - dayMs ? 'before' : 'now'}-${at}`,
    model: `model of ${bee}`,
    label,
    score,
    scores: { teddy: score, other: 1 - score },
    payload: JSON.stringify({ label, score, version: bee === 'strict' ? '3' : '4' }),
    latency_ms: 10 + at,
    batch_size: 4,
    predicted_at: predictedAt,
    topic: `waggle.shop.${bee}`,
    partition: 0,
    offset: BigInt(at),
  })
  return Array.from({ length: 10 }, (_, at) => [
    row('strict', at, { label: 'teddy', score: 0.95, predictedAt: now - at * 1000 }),
    row('lenient', at, { label: at < 3 ? 'other' : 'teddy', score: 0.6, predictedAt: now - at * 1000 }),
    row('strict', at, { label: 'teddy', score: 0.15, predictedAt: now - 8 * dayMs - at * 1000 }),
  ]).flat()
}

describe(`The views of predictions on ${chosen.name}`, { timeout: 240_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-analytics-'))
  const name = `waggle_test_${randomUUID().replaceAll('-', '')}`
  // All rows of today are inside of one hour.
  const now = Math.floor(Date.now() / hourMs) * hourMs - hourMs / 2
  let server: RunningClickHouse
  let database: ClickHouseDatabase
  let client: ClickHouseClient

  const open = async (inferences: string) => {
    const lines: string[] = []
    const table = await database.openTable({ table: `${name}.${inferences}`, log: (_, line) => void lines.push(line) })
    assert.deepEqual(lines, [])
    return table
  }
  const ask = async (query: string) =>
    (await client.query({ query: query.trim().replace(/;$/, ''), format: 'JSONEachRow' })).json<{ readonly [column: string]: unknown }>()

  before(async () => {
    server = await chosen.start(directory)
    database = new ClickHouseDatabase({ url: server.url, socketPath: null, clock: systemClock, random: new SystemRandom() })
    client = createClient({ url: server.url, database: name, request_timeout: 60_000 })
    const table = await open('inferences')
    const rows = rowsOf(now)
    await table.insert(rows, new AbortController().signal)
    await table.insert(rows.toReversed(), new AbortController().signal)
  })
  after(async () => {
    if (server.isKept) await client.command({ query: `DROP DATABASE ${name}` })
    await client.close()
    await database.close()
    await server.close()
    rmSync(directory, { recursive: true, force: true })
  })

  it('count each prediction once, by hour, with its version and the parts of labels', async () => {
    const found = await ask(
      'SELECT bee, version, sum(predictions) AS total, max(p50_ms) AS p50, any(label_shares) AS shares FROM inferences_by_hour WHERE hour > now() - INTERVAL 3 HOUR GROUP BY bee, version ORDER BY bee',
    )
    assert.deepEqual(
      found.map(({ bee, version, total }) => [bee, version, Number(total)]),
      [
        ['lenient', '4', 10],
        ['strict', '3', 10],
      ],
    )
    assert.deepEqual(found[1]?.shares, { teddy: 1 })
  })

  it('have the requests whose models disagree, and the scores that have moved since the week before', async () => {
    const disagreeing = await ask('SELECT request_id, labels FROM inferences_disagreements ORDER BY request_id')
    assert.deepEqual(
      disagreeing.map(({ request_id }) => request_id),
      ['now-0', 'now-1', 'now-2'],
    )
    assert.deepEqual(disagreeing[0]?.labels, { strict: 'teddy', lenient: 'other' })
    const drift = await ask('SELECT label, round(drift, 3) AS moved, population_stability > 0.25 AS is_much FROM inferences_drift ORDER BY label')
    assert.deepEqual(
      drift.map(({ label, moved, is_much }) => [label, moved, Number(is_much)]),
      [
        ['other', -0.8, 1],
        ['teddy', 0.8, 1],
      ],
    )
  })

  it('answer every query of docs/analytics.md', async () => {
    const queries = [...readFileSync(join(root, 'docs', 'analytics.md'), 'utf8').matchAll(/^```sql\n(.*?)^```/gms)].map(([, query = '']) => query)
    assert.ok(queries.length >= 7)
    for (const query of queries) assert.ok((await ask(query)).length > 0, query)
  })

  it('answer every query of the Grafana board, with a time where a panel draws over time', async () => {
    const queries = dashboardQueries(root).filter(({ datasource }) => datasource === clickHouseSource)
    assert.ok(queries.length >= 11)
    const context = {
      from: Math.floor((now - dayMs) / 1000),
      to: Math.ceil((now + hourMs) / 1000),
      intervalSeconds: 60,
      variables: new Map([
        ['table', ['inferences']],
        ['swarm', ['shop', "it's"]],
        ['bee', ['strict', 'lenient']],
      ]),
    }
    for (const { place, query, isSeries } of queries) {
      const rows = await ask(panelSql(query, context))
      assert.ok(rows.length > 0, `${place} has no row`)
      const [first = {}] = rows
      if (isSeries) assert.match(String(first.time), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, place)
      if (isSeries)
        assert.ok(
          Object.values(first).some((value) => Number.isFinite(Number(value))),
          `${place} has no number`,
        )
    }
    const answers = await Promise.all(
      queries
        .filter(({ place }) => place.endsWith('Disagreement'))
        .map(({ query }) => ask(panelSql(query, { ...context, intervalSeconds: hourMs / 1000 }))),
    )
    assert.ok(
      answers[0]?.some(({ disagreement }) => disagreement === 0.3),
      JSON.stringify(answers),
    )
  })

  it('come to a table of an older Waggle by migrations that run once and keep its rows', async () => {
    const columns = `swarm String, bee String, request_id String, model String, label String, score Float64, scores Map(String, Float64), payload String,
      latency_ms Float64, batch_size UInt32, predicted_at DateTime64(3), topic String, partition Int32, offset Int64`
    const before = [
      `CREATE TABLE older_rows (${columns}) ENGINE = ReplacingMergeTree ORDER BY (swarm, bee, request_id)`,
      'CREATE VIEW older AS SELECT * FROM older_rows FINAL',
      `INSERT INTO older_rows (swarm, bee, request_id, label, payload, predicted_at) VALUES ('shop', 'strict', 'first', 'teddy', '{"version":"7"}', now())`,
    ]
    for (const query of before) await client.command({ query })
    for (const opened of [await open('older'), await open('older')]) await opened.insert(rowsOf(now).slice(0, 1), new AbortController().signal)
    const listed = await ask("SELECT version, count() AS times FROM waggle_migrations WHERE table_name = 'older' GROUP BY version ORDER BY version")
    assert.deepEqual(
      listed.map(({ version, times }) => [Number(version), Number(times)]),
      [1, 2, 3, 4, 5, 6, 7].map((version) => [version, 1]),
    )
    const counted = await ask('SELECT version, sum(predictions) AS total FROM older_by_hour GROUP BY version ORDER BY version')
    assert.deepEqual(
      counted.map(({ version, total }) => [version, Number(total)]),
      [
        ['3', 1],
        ['7', 1],
      ],
    )
  })
})
