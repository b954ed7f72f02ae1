import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parse } from 'yaml'
import { type MetricRow, metricTable } from '../telemetry/metric-table.ts'
import { dashboardQueries } from './dashboard-queries.ts'
import { complaintsAboutSql } from './dashboard-sql.ts'
import { engineMetricNames } from './engine-metrics.ts'

/** A query of a dashboard or of an alert rule, with its place. */
export interface PlacedQuery {
  readonly place: string
  readonly query: string
}

/** The names and labels of all metrics, including the buckets of histograms. The labels are null if the table does not have them. */
export function knownMetrics(): ReadonlyMap<string, ReadonlySet<string> | null> {
  const known = new Map<string, ReadonlySet<string> | null>()
  // Prometheus itself adds `up`, and the labels `job` and `instance`.
  known.set('up', new Set(['job', 'instance']))
  for (const name of engineMetricNames()) known.set(name, null)
  for (const [name, { type, labels }] of Object.entries<MetricRow>(metricTable)) {
    const own = new Set([...labels, 'job', 'instance'])
    if (type !== 'histogram') known.set(name, own)
    else for (const suffix of ['_bucket', '_sum', '_count']) known.set(`${name}${suffix}`, new Set([...own, 'le']))
  }
  return known
}

/** The mistakes in queries: a name that is not a metric, or a label that its metric does not have. */
export function complaintsAbout(queries: readonly PlacedQuery[]): readonly string[] {
  const known = knownMetrics()
  return queries.flatMap(({ place, query }) => {
    const used = metricsIn(query)
    const wrong = used.flatMap(({ name, labels }) => {
      const own = known.get(name)
      if (own === undefined) return [`${place} names ${name}, which no process has.`]
      if (own === null) return []
      return labels.filter((label) => !own.has(label)).map((label) => `${place} asks for the label ${label}, which ${name} does not have.`)
    })
    return used.length === 0 ? [`${place} names no metric: ${query}`, ...wrong] : wrong
  })
}

/** The metrics in a query of PromQL, each with the labels of its selector. */
export function metricsIn(query: string): readonly { readonly name: string; readonly labels: readonly string[] }[] {
  // Strings may contain any text, and labels in `by (…)` are not metrics, so both are removed.
  const bare = query
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/\b\d[\w.]*/g, ' ')
  return [...bare.matchAll(/([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\}|\()?/g)].flatMap(([, name = '', after = '']) => {
    if (after === '(' || keywords.has(name)) return []
    return [{ name, labels: [...after.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label) }]
  })
}

/** All queries in PromQL of the dashboards and of the alert rules. */
export function queriesIn(root: string): readonly PlacedQuery[] {
  const ofDashboards = dashboardQueries(root).flatMap(({ place, datasource, query }) =>
    datasource === 'prometheus' ? [{ place, query: query.replace(/^label_values\((.*), *\w+\)$/s, '$1') }] : [],
  )
  const rules = parse(readFileSync(resolve(root, 'ops/deploy/alerts.yml'), 'utf8')) as Rules
  const ofRules = rules.groups.flatMap((group) => group.rules.map(({ alert, expr }) => ({ place: `alerts.yml, ${alert}`, query: expr })))
  return [...ofDashboards, ...ofRules]
}

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

const keywords: ReadonlySet<string> = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan'])

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..', '..')
  for (const complaint of [...complaintsAbout(queriesIn(root)), ...complaintsAboutSql(dashboardQueries(root))]) {
    process.stderr.write(`${complaint}\n`)
    process.exitCode = 1
  }
}
