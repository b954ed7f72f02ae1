import { globSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** A query of a panel or of a variable of a Grafana dashboard. */
export interface DashboardQuery {
  /** The file, and the title of the panel or the name of the variable. */
  readonly place: string
  /** The type of the data source: `prometheus` or `grafana-clickhouse-datasource`. */
  readonly datasource: string
  readonly query: string
  /** True if the panel draws the answer over time. */
  readonly isSeries: boolean
}

/** All queries of the dashboards in `ops/deploy/grafana`. */
export function dashboardQueries(root: string): readonly DashboardQuery[] {
  const files = globSync('ops/deploy/grafana/*.json', { cwd: root }).sort()
  return files.flatMap((file) => {
    const { panels, templating } = JSON.parse(readFileSync(resolve(root, file), 'utf8')) as Dashboard
    const ofVariables = templating.list.map(({ name, datasource, definition }) => ({
      place: `${file}, variable ${name}`,
      datasource: datasource.type,
      query: definition,
      isSeries: false,
    }))
    const ofPanels = panels.flatMap(({ title, targets, type }) =>
      targets.map(({ datasource, expr, rawSql }) => ({
        place: `${file}, ${title}`,
        datasource: datasource.type,
        query: expr ?? rawSql ?? '',
        isSeries: type === 'timeseries',
      })),
    )
    return [...ofVariables, ...ofPanels]
  })
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly type: string; readonly targets: readonly Target[] }[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly datasource: Source; readonly definition: string }[] }
}

interface Target {
  readonly datasource: Source
  /** PromQL. */
  readonly expr?: string
  /** SQL of ClickHouse. */
  readonly rawSql?: string
}

interface Source {
  readonly type: string
}
