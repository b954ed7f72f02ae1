import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { dashboardQueries } from '../../../ops/check/dashboard-queries.ts'
import { clickHouseSource, complaintsAboutSql, panelSql } from '../../../ops/check/dashboard-sql.ts'
import { complaintsAbout, metricsIn, queriesIn } from '../../../ops/check/dashboards.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')

describe('The check of dashboards and alerts', () => {
  it('finds no mistake in the queries of this repository', () => {
    const queries = queriesIn(root)
    assert.ok(queries.length > 40)
    assert.deepEqual(complaintsAbout(queries), [])
  })

  it('names a metric that does not exist, and a label that the metric does not have', () => {
    const about = (query: string) => complaintsAbout([{ place: 'here', query }])
    assert.deepEqual(about('rate(waggle_bee_cals_total[5m])'), ['here names waggle_bee_cals_total, which no process has.'])
    assert.deepEqual(about('waggle_swarm_ready{bee="a"}'), ['here asks for the label bee, which waggle_swarm_ready does not have.'])
    assert.deepEqual(about('waggle_bee_call_duration_seconds'), ['here names waggle_bee_call_duration_seconds, which no process has.'])
    assert.deepEqual(about('vector(1)'), ['here names no metric: vector(1)'])
  })

  it('reads names from PromQL, but no functions, labels or texts', () => {
    const query = 'histogram_quantile(0.99, sum by (bee, le) (rate(a_bucket{x="sum(b)",y=~"c{d}"}[5m] offset 1h))) and on (bee) z > 0 or -1e3 * e'
    assert.deepEqual(metricsIn(query), [
      { name: 'a_bucket', labels: ['x', 'y'] },
      { name: 'z', labels: [] },
      { name: 'e', labels: [] },
    ])
  })
})

/** `test/connectors/clickhouse/analytics.test.ts` runs the queries on ClickHouse. */
describe('The check of the board on ClickHouse', () => {
  const context = {
    from: 100,
    to: 200,
    intervalSeconds: 60,
    variables: new Map([
      ['table', ['rows']],
      ['swarm', ["it's", 'b']],
    ]),
  }

  it('finds nothing wrong with the queries of this repository', () => {
    const queries = dashboardQueries(root)
    assert.ok(queries.filter(({ datasource }) => datasource === clickHouseSource).length >= 11)
    assert.deepEqual(complaintsAboutSql(queries), [])
  })

  it('puts the range of the panel and the chosen values into a query', () => {
    assert.equal(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the text is Grafana’s.
      panelSql('SELECT $__timeInterval(at) FROM `${table:raw}_x` WHERE $__timeFilter(at) AND swarm IN (${swarm:singlequote})', context),
      "SELECT toStartOfInterval(toDateTime(at), INTERVAL 60 second) FROM `rows_x` WHERE at >= toDateTime(100) AND at <= toDateTime(200) AND swarm IN ('it\\'s','b')",
    )
  })

  it('names an unknown macro or variable, a value that can leave its place, and a panel without a time', () => {
    const about = (query: string, isSeries = false) => complaintsAboutSql([{ place: 'here', datasource: clickHouseSource, query, isSeries }])
    assert.deepEqual(about('SELECT $__interval(at)'), ['here: the macro $__interval is unknown.'])
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text is Grafana’s.
    assert.deepEqual(about('SELECT ${swam:raw}'), ['here: the variable swam is unknown.'])
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text is Grafana’s.
    assert.match(about('SELECT ${swarm}')[0] ?? '', /use singlequote or raw/)
    assert.match(about('SELECT 1', true)[0] ?? '', /no column time/)
    assert.deepEqual(about('SELECT now() AS time ORDER BY time', true), [])
  })
})

it('Each alert has a section in the page of alerts, and the page has no other sections', () => {
  const rules = parse(readFileSync(resolve(root, 'ops/deploy/alerts.yml'), 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly annotations: { readonly runbook: string } }[] }[]
  }
  const alerts = rules.groups.flatMap(({ rules: all }) => all)
  const page = readFileSync(resolve(root, 'docs/operate/alerts.md'), 'utf8')
  assert.deepEqual(
    [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading),
    alerts.map(({ alert }) => alert),
  )
  for (const { alert, annotations } of alerts) assert.equal(annotations.runbook, `docs/operate/alerts.md#${alert.toLowerCase()}`)
})
