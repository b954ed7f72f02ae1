import type { DashboardQuery } from './dashboard-queries.ts'

/** The values that Grafana puts into a query of a panel. */
export interface PanelContext {
  /** Epoch seconds. */
  readonly from: number
  readonly to: number
  readonly intervalSeconds: number
  /** The chosen values of each variable of the dashboard. */
  readonly variables: ReadonlyMap<string, readonly string[]>
}

export const clickHouseSource = 'grafana-clickhouse-datasource'

/**
 * The statement that ClickHouse gets from a panel: variables and macros are replaced, as Grafana and its ClickHouse plugin document it. Throws an error
 * with the name of a macro or of a variable that is unknown.
 */
export function panelSql(query: string, { from, to, intervalSeconds, variables }: PanelContext): string {
  const macros = new Map<string, (column: string) => string>([
    ['timeFilter', (column) => `${column} >= toDateTime(${from}) AND ${column} <= toDateTime(${to})`],
    ['timeInterval', (column) => `toStartOfInterval(toDateTime(${column}), INTERVAL ${intervalSeconds} second)`],
  ])
  const withVariables = query.replaceAll(/\$\{(\w+)(?::(\w+))?\}/g, (_, name: string, format: string | undefined) => {
    const values = variables.get(name)
    if (values === undefined) throw new Error(`the variable ${name} is unknown`)
    if (format === 'singlequote') return values.map((value) => `'${value.replaceAll("'", "\\'")}'`).join(',')
    if (format === 'raw') return values.join(',')
    throw new Error(`the variable ${name} has no format that keeps its value inside of its place: use singlequote or raw`)
  })
  return withVariables.replaceAll(/\$__(\w+)(?:\(([^()]*)\))?/g, (_, name: string, column: string | undefined) => {
    const macro = macros.get(name)
    if (macro === undefined || column === undefined) throw new Error(`the macro $__${name} is unknown`)
    return macro(column)
  })
}

/** The mistakes that can be found in queries of ClickHouse without a server. */
export function complaintsAboutSql(queries: readonly DashboardQuery[]): readonly string[] {
  const ofClickHouse = queries.filter(({ datasource }) => datasource === clickHouseSource)
  return ofClickHouse.flatMap(({ place, query, isSeries }) => {
    const wrong = mistakeIn(query)
    if (wrong !== null) return [`${place}: ${wrong}.`]
    if (isSeries && !/\bAS time\b.*\bORDER BY time\b/s.test(query)) return [`${place} draws over time, and has no column time in its order.`]
    return []
  })
}

function mistakeIn(query: string): string | null {
  try {
    const sql = panelSql(query, { from: 0, to: 1, intervalSeconds: 1, variables: exampleValues })
    return sql.trim() === '' ? 'the query is empty' : null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const exampleValues = new Map([
  ['table', ['inferences']],
  ['swarm', ['s']],
  ['bee', ['b']],
])
